"""The names of known cities in three languages, written down by hand from what people there and here call them."""

import pytest

from kadrd.places.spelling import key

# latitude, longitude; English, Russian, Ukrainian; country
CITIES = [
    line.split("|")
    for line in """\
50.4501|30.5234|Kyiv|Киев|Київ|Ukraine
49.8397|24.0297|Lviv|Львов|Львів|Ukraine
49.9935|36.2304|Kharkiv|Харьков|Харків|Ukraine
46.4825|30.7233|Odesa|Одесса|Одеса|Ukraine
48.4647|35.0462|Dnipro|Днепр|Дніпро|Ukraine
47.8388|35.1396|Zaporizhzhya|Запорожье|Запоріжжя|Ukraine
49.2331|28.4682|Vinnytsya|Винница|Вінниця|Ukraine
49.5883|34.5514|Poltava|Полтава|Полтава|Ukraine
51.4982|31.2893|Chernihiv|Чернигов|Чернігів|Ukraine
48.2915|25.9403|Chernivtsi|Черновцы|Чернівці|Ukraine
50.6199|26.2516|Rivne|Ровно|Рівне|Ukraine
48.6208|22.2879|Uzhhorod|Ужгород|Ужгород|Ukraine
48.45|24.55|Yaremche|Яремче|Яремче|Ukraine
44.4952|34.1663|Yalta|Ялта|Ялта|Ukraine
55.7558|37.6173|Moscow|Москва|Москва|Russia
59.9343|30.3351|Saint Petersburg|Санкт-Петербург|Санкт-Петербург|Russia
43.5855|39.7231|Sochi|Сочи|Сочі|Russia
55.7963|49.1088|Kazan|Казань|Казань|Russia
43.1155|131.8855|Vladivostok|Владивосток|Владивосток|Russia
53.9006|27.5590|Minsk|Минск|Мінськ|Belarus
52.2297|21.0122|Warsaw|Варшава|Варшава|Poland
50.0647|19.9450|Krakow|Краков|Краків|Poland
52.5200|13.4050|Berlin|Берлин|Берлін|Germany
48.1351|11.5820|Munich|Мюнхен|Мюнхен|Germany
50.9375|6.9603|Cologne|Кёльн|Кельн|Germany
48.2082|16.3738|Vienna|Вена|Відень|Austria
50.0755|14.4378|Prague|Прага|Прага|Czechia
47.4979|19.0402|Budapest|Будапешт|Будапешт|Hungary
48.8566|2.3522|Paris|Париж|Париж|France
43.2965|5.3698|Marseille|Марсель|Марсель|France
43.7102|7.2620|Nice|Ницца|Ніцца|France
51.5074|-0.1278|London|Лондон|Лондон|United Kingdom
55.9533|-3.1883|Edinburgh|Эдинбург|Единбург|United Kingdom
53.3498|-6.2603|Dublin|Дублин|Дублін|Ireland
41.9028|12.4964|Rome|Рим|Рим|Italy
45.4408|12.3155|Venice|Венеция|Венеція|Italy
43.7696|11.2558|Florence|Флоренция|Флоренція|Italy
40.4168|-3.7038|Madrid|Мадрид|Мадрид|Spain
41.3874|2.1686|Barcelona|Барселона|Барселона|Spain
38.7223|-9.1393|Lisbon|Лиссабон|Лісабон|Portugal
37.9838|23.7275|Athens|Афины|Афіни|Greece
41.0082|28.9784|Istanbul|Стамбул|Стамбул|Turkey
41.7151|44.8271|Tbilisi|Тбилиси|Тбілісі|Georgia
40.1792|44.4991|Yerevan|Ереван|Єреван|Armenia
30.0444|31.2357|Cairo|Каир|Каїр|Egypt
31.7683|35.2137|Jerusalem|Иерусалим|Єрусалим|Israel
25.2048|55.2708|Dubai|Дубай|Дубай|United Arab Emirates
40.7128|-74.0060|New York|Нью-Йорк|Нью-Йорк|United States
34.0522|-118.2437|Los Angeles|Лос-Анджелес|Лос-Анджелес|United States
37.7749|-122.4194|San Francisco|Сан-Франциско|Сан-Франциско|United States
41.8781|-87.6298|Chicago|Чикаго|Чикаго|United States
43.6532|-79.3832|Toronto|Торонто|Торонто|Canada
-22.9068|-43.1729|Rio de Janeiro|Рио-де-Жанейро|Ріо-де-Жанейро|Brazil
-34.6037|-58.3816|Buenos Aires|Буэнос-Айрес|Буенос-Айрес|Argentina
19.4326|-99.1332|Mexico City|Мехико|Мехіко|Mexico
35.6762|139.6503|Tokyo|Токио|Токіо|Japan
35.0116|135.7681|Kyoto|Киото|Кіото|Japan
39.9042|116.4074|Beijing|Пекин|Пекін|China
37.5665|126.9780|Seoul|Сеул|Сеул|South Korea
13.7563|100.5018|Bangkok|Бангкок|Бангкок|Thailand
1.3521|103.8198|Singapore|Сингапур|Сінгапур|Singapore
28.6139|77.2090|New Delhi|Нью-Дели|Нью-Делі|India
-33.8688|151.2093|Sydney|Сидней|Сідней|Australia
-36.8509|174.7645|Auckland|Окленд|Окленд|New Zealand
-33.9249|18.4241|Cape Town|Кейптаун|Кейптаун|South Africa
-1.2921|36.8219|Nairobi|Найроби|Найробі|Kenya
64.1466|-21.9426|Reykjavik|Рейкьявик|Рейк'явік|Iceland""".splitlines()
]
# GeoNames has no Ukrainian name of it.
MISSING = {"Нью-Делі"}


@pytest.mark.parametrize("city", CITIES, ids=[city[2] for city in CITIES])
def test_a_known_city(earth, city):
    """A picture taken there is found by all three names, and by each name the city is found."""
    latitude, longitude, *names, country = city
    place = earth.at(float(latitude), float(longitude))
    assert place.country == country
    known = {key(name) for name in place.names}
    for name in set(names) - MISSING:
        assert key(name) in known
        assert names[0] in {found.name for found in earth.named(name)[:1]}
