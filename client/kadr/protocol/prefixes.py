"""The query language as data: every filter with its words, its help and an example; every named value; every operator.

Parser, help, options, completions, docs/query.md and tests read these tables. Data only. A plain search of the client does
not load it. A word means one thing, whatever the language; it may be typed in any case, with ё or е, with ґ or г.

What a value means is decided in kadrd/query: `kind` names the function in readings.py that reads it.
"""

from __future__ import annotations

from typing import NamedTuple


class Word(NamedTuple):
    """One named thing, and what people call it. The words of a language are separated by blanks."""

    name: str
    ru: str = ""
    uk: str = ""
    also: str = ""
    """other English words"""


class Prefix(NamedTuple):
    """One filter: what may stand before the colon, and what has to stand behind it."""

    name: str
    kind: str
    """how its value is read, a key of READERS in kadrd/query/readings.py"""
    ru: str
    uk: str
    help: str
    """what it finds, to be read after `name:`"""
    wants: str
    """its value, as an error names it"""
    example: str
    also: str = ""
    values: tuple[Word, ...] = ()
    """the words that it knows as values"""
    units: tuple[tuple[str, float], ...] = ()
    """what may stand behind its numbers, in any case, and what that is in the catalogue's unit"""


# Russian and Ukrainian have a word in the cases that it is said in: лето, летом.
MONTHS = (
    Word("january", "январь января январе", "січень січня січні", "jan"),
    Word("february", "февраль февраля феврале", "лютий лютого лютому", "feb"),
    Word("march", "март марта марте", "березень березня березні", "mar"),
    Word("april", "апрель апреля апреле", "квітень квітня квітні", "apr"),
    Word("may", "май мая мае", "травень травня травні"),
    Word("june", "июнь июня июне", "червень червня червні", "jun"),
    Word("july", "июль июля июле", "липень липня липні", "jul"),
    Word("august", "август августа августе", "серпень серпня серпні", "aug"),
    Word("september", "сентябрь сентября сентябре", "вересень вересня вересні", "sep sept"),
    Word("october", "октябрь октября октябре", "жовтень жовтня жовтні", "oct"),
    Word("november", "ноябрь ноября ноябре", "листопад листопада листопаді", "nov"),
    Word("december", "декабрь декабря декабре", "грудень грудня грудні", "dec"),
)
SEASONS = (
    Word("spring", "весна весны весной", "весна весни навесні"),
    Word("summer", "лето лета летом", "літо літа влітку"),
    Word("autumn", "осень осени осенью", "осінь осені восени", "fall"),
    Word("winter", "зима зимы зимой", "зима зими взимку"),
)
WEEKDAYS = (
    Word("monday", "понедельник", "понеділок", "mon"),
    Word("tuesday", "вторник", "вівторок", "tue"),
    Word("wednesday", "среда среду", "середа середу", "wed"),
    Word("thursday", "четверг", "четвер", "thu"),
    Word("friday", "пятница пятницу", "п'ятниця п'ятницю", "fri"),
    Word("saturday", "суббота субботу", "субота суботу", "sat"),
    Word("sunday", "воскресенье", "неділя неділю", "sun"),
    Word("weekend", "выходные", "вихідні"),
)
HOURS = (
    Word("morning", "утро утром", "ранок ранку вранці"),
    Word("afternoon", "день днём", "день вдень"),
    Word("evening", "вечер вечером", "вечір вечора ввечері"),
    Word("night", "ночь ночью", "ніч ночі вночі"),
)
RECENT = (
    Word("today", "сегодня", "сьогодні"),
    Word("yesterday", "вчера", "вчора"),
    Word("this-week", "эта-неделя на-этой-неделе", "цей-тиждень цього-тижня"),
    Word("last-week", "прошлая-неделя на-прошлой-неделе", "минулий-тиждень минулого-тижня"),
    Word("this-month", "этот-месяц в-этом-месяце", "цей-місяць цього-місяця"),
    Word("last-month", "прошлый-месяц в-прошлом-месяце", "минулий-місяць минулого-місяця"),
    Word("this-year", "этот-год в-этом-году", "цей-рік цього-року"),
    Word(
        "last-year",
        "прошлый-год в-прошлом-году за-прошлый-год",
        "минулий-рік минулого-року за-минулий-рік торік",
    ),
    Word(
        "year-before-last",
        "позапрошлый-год в-позапрошлом-году за-позапрошлый-год",
        "позаминулий-рік позаминулого-року за-позаминулий-рік позаторік",
    ),
    Word("last-spring", "прошлая-весна прошлой-весной", "минула-весна минулої-весни"),
    Word("last-summer", "прошлое-лето прошлым-летом", "минуле-літо минулого-літа"),
    Word("last-autumn", "прошлая-осень прошлой-осенью", "минула-осінь минулої-осені", "last-fall"),
    Word("last-winter", "прошлая-зима прошлой-зимой", "минула-зима минулої-зими"),
)
# Behind a number: within that time before now.
AGO = (
    Word("minute", "минута минуты минут мин", "хвилина хвилини хвилин хв", "minutes min"),
    Word("hour", "час часа часов ч", "година години годин", "hours h"),
    Word("day", "день дня дней д", "день дні днів", "days d"),
    Word("week", "неделя недели недель", "тиждень тижні тижнів", "weeks w"),
    Word("month", "месяц месяца месяцев", "місяць місяці місяців", "months"),
    Word("year", "год года лет", "рік роки років", "years y"),
)
WHEN = (*MONTHS, *SEASONS, *WEEKDAYS, *HOURS, *RECENT)

SHAPES = (
    Word("portrait", "портрет вертикальная книжная", "портретна вертикальна книжкова", "vertical tall"),
    Word(
        "landscape", "пейзаж горизонтальная альбомная", "пейзажна горизонтальна альбомна", "horizontal wide"
    ),
    Word("square", "квадрат квадратная", "квадратна"),
)
FORMATS = (
    Word("jpeg", also="jpg"), Word("png"), Word("webp"), Word("gif"), Word("tiff", also="tif"), Word("bmp", also="dib"),
    Word("heif", also="heic"), Word("avif"), Word("jpeg2000", also="jp2"), Word("raw", "рав", "рав"),
)  # fmt: skip
HELD = (
    Word("gps", "координаты геометка", "координати геомітка", "position location"),
    Word("date", "дата", "дата", "taken"),
    Word("tag", "тег теги метка метки", "тег теги мітка мітки", "tags keyword keywords"),
    Word("person", "человек люди лицо", "людина люди обличчя", "people face faces"),
    Word("rating", "оценка рейтинг", "оцінка рейтинг", "stars"),
    Word("title", "название заголовок", "назва заголовок"),
    Word("description", "описание", "опис", "caption"),
    Word("place", "место", "місце"),
    Word("camera", "камера", "камера"),
    Word("lens", "объектив", "об'єктив"),
    Word("altitude", "высота-над-морем", "висота-над-морем"),
    Word("sidecar", "спутник", "супутник", "xmp"),
)

_BYTES = (
    ("b", 1.0), ("k", 1e3), ("kb", 1e3), ("m", 1e6), ("mb", 1e6), ("g", 1e9), ("gb", 1e9), ("t", 1e12), ("tb", 1e12),
    ("ki", 2.0**10), ("kib", 2.0**10), ("mi", 2.0**20), ("mib", 2.0**20), ("gi", 2.0**30), ("gib", 2.0**30),
    ("б", 1.0), ("к", 1e3), ("кб", 1e3), ("м", 1e6), ("мб", 1e6), ("г", 1e9), ("гб", 1e9),
)  # fmt: skip
_METRES = (("m", 1.0), ("м", 1.0), ("km", 1e3), ("км", 1e3), ("ft", 0.3048))
_PIXELS = (("px", 1.0), ("п", 1.0), ("пикс", 1.0), ("пікс", 1.0))
KILOMETRES = (
    ("km", 1.0),
    ("км", 1.0),
    ("m", 1e-3),
    ("м", 1e-3),
    ("mi", 1.609344),
    ("миль", 1.609344),
    ("миля", 1.609344),
)

_DATE = "a date, such as 2023, 2023-06, 2023..2024-06, >2020, 2weeks or summer"
_NUMBER = "a number, such as {}; with <, <=, > or >= before it, or two with .. between them"

# fmt: off
PREFIXES = (
    Prefix("taken", "date", "снято дата", "знято дата", "pictures taken then, by the camera's clock", _DATE, "taken:2023..2024-06", "date shot", WHEN),
    Prefix("changed", "date", "изменено", "змінено", "files changed then, by this computer's clock", _DATE, "changed:2weeks", "modified", WHEN),
    Prefix("near", "near", "рядом около возле", "біля поруч поблизу коло", "pictures taken around a place or a position, so many kilometres at most", "a place or a position, such as Kyiv or 50.45,30.52, and perhaps ,20km", "near:Kyiv,20km", "around", units=KILOMETRES),
    Prefix("place", "words", "место город страна", "місце місто країна", "pictures taken in a city, a region or a country", "the name of a city, a region or a country", "place:Ukraine", "city country region"),
    Prefix("camera", "contains", "камера фотоаппарат", "камера фотоапарат", "pictures of a camera, by a part of its maker and model", "a part of a camera's name", 'camera:"Canon EOS 5D"', "make model"),
    Prefix("lens", "contains", "объектив", "об'єктив", "pictures through a lens, by a part of its name", "a part of a lens's name", "lens:50mm"),
    Prefix("iso", "number", "исо", "ісо", "pictures of this sensitivity", _NUMBER.format("800"), "iso:>800"),
    Prefix("aperture", "number", "диафрагма", "діафрагма", "pictures with this f-number", _NUMBER.format("f/2.8"), "aperture:<=f/2.8", "fstop"),
    Prefix("exposure", "number", "выдержка", "витримка", "pictures exposed so long, in seconds", _NUMBER.format("1/250"), "exposure:>=1/60", "shutter", units=(("s", 1.0), ("sec", 1.0), ("ms", 1e-3), ("с", 1.0), ("сек", 1.0), ("мс", 1e-3))),
    Prefix("focal", "number", "фокус фокусное", "фокус фокусна", "pictures at this focal length, in millimetres", _NUMBER.format("50mm"), "focal:24..70", units=(("mm", 1.0), ("мм", 1.0))),
    Prefix("altitude", "number", "высота-над-морем", "висота-над-морем", "pictures taken so high above the sea, in metres", _NUMBER.format("1500m"), "altitude:>1.5km", "elevation", units=_METRES),
    Prefix("rating", "number", "оценка рейтинг", "оцінка рейтинг", "pictures that somebody gave so many stars, -1 for rejected ones", _NUMBER.format("4"), "rating:>=4", "stars"),
    Prefix("size", "number", "размер", "розмір", "files of this size, in bytes", _NUMBER.format("2M"), "size:>2M", units=_BYTES),
    Prefix("width", "number", "ширина", "ширина", "pictures so wide, in pixels", _NUMBER.format("1920"), "width:>=1920", units=_PIXELS),
    Prefix("height", "number", "высота", "висота", "pictures so high, in pixels", _NUMBER.format("1080"), "height:<1080", units=_PIXELS),
    Prefix("megapixels", "number", "мегапиксели мп", "мегапікселі мп", "pictures of so many million pixels", _NUMBER.format("12"), "megapixels:>=12", "mp", units=(("mp", 1.0), ("мп", 1.0))),
    Prefix("orientation", "choice", "ориентация", "орієнтація", "pictures of this shape, as they are shown", "portrait, landscape or square", "orientation:portrait", "shape", SHAPES),
    Prefix("format", "choice", "формат", "формат", "pictures of this format, whatever the file is called", "a format, such as jpeg, png or raw", "format:raw", "type", FORMATS),
    Prefix("tag", "label", "тег метка", "тег мітка", "pictures with this tag or keyword; A/B is B below A; * is anything", "a tag", "tag:holiday", "tags keyword keywords"),
    Prefix("person", "label", "человек люди лицо кто", "людина особа обличчя хто", "pictures with the face of somebody, by name", "a name", "person:Olena", "people face who"),
    Prefix("title", "words", "название заголовок", "назва заголовок", "pictures with these words in their title", "a word", "title:sunset"),
    Prefix("description", "words", "описание", "опис", "pictures with these words in their description", "a word", "description:birthday", "caption"),
    Prefix("text", "words", "текст слово", "текст слово", "pictures with these words in name, title, description, tags or place", "a word", "text:birthday", "word words"),
    Prefix("in", "under", "в внутри", "у в всередині", "files in this folder and below it", "a folder", "in:~/Pictures", "under"),
    Prefix("folder", "folder", "папка", "папка тека", "files with a folder of this name anywhere above them; * is anything", "the name of a folder", "folder:exports", "dir directory"),
    Prefix("name", "name", "имя файл", "ім'я файл", "files with this in their name; with * or ? the whole name", "a file's name, or a part of it", "name:IMG_20*", "filename"),
    Prefix("ext", "ending", "расширение", "розширення", "files that end in this", "an ending, such as jpg", "ext:jpg,png", "extension suffix"),
    Prefix("software", "contains", "программа", "програма", "pictures that a program made or changed, by a part of its name", "a part of a program's name", "software:GIMP", "program"),
    Prefix("has", "choice", "есть", "має є", "pictures that say this of themselves", "one of gps, date, tag, person, rating, title, description, place, camera, lens, altitude, sidecar", "has:gps", values=HELD),
    Prefix("saved", "saved", "сохранено сохраненное", "збережено збережене", "what a saved search finds (kadr save)", "the name of a saved search", "saved:best", "search"),
    Prefix("like", "picture", "похоже как", "схоже як", "ranks by likeness to a picture file, as a path among the words does", "a picture file", "like:~/cat.jpg", "similar"),
)
# fmt: on

# In capitals, and only beside a filter or a parenthesis: elsewhere they are words like others, but OR always asks for filters.
OPERATORS = (
    Word("OR", "ИЛИ", "АБО", "| ||"),
    Word("AND", "И", "ТА І Й", "& &&"),
    Word("NOT", "НЕ", "НЕ", "!"),
)
