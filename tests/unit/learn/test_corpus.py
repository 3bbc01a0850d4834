"""What may be learned from: rows are read as written, and nothing reserved gets through."""

from pathlib import Path

import pytest

from kadrd.learn.corpus import Example, Reserved, cells, digest, read_corpus, read_reserved

DATA = Path(__file__).parents[4] / "shared" / "data"
HEADER = "path\tsource\tlabel\tcaptions_en\tcaptions_ru\tcaptions_uk\n"


def corpus(folder: Path, *rows: str) -> Path:
    for row in rows:
        picture = folder / row.split("\t")[0]
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(row.encode())
    (folder / "corpus.tsv").write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder


def test_a_row_becomes_an_example(tmp_path):
    """Path, source, label and captions by language come back; empty cells are left out."""
    folder = corpus(tmp_path, "ant/1.jpg\tmade\tcaltech:ant\tan ant|a small ant\t\tмураха")
    [found] = read_corpus([folder], Reserved())
    captions = {"en": ("an ant", "a small ant"), "uk": ("мураха",)}
    assert found == Example(folder / "ant" / "1.jpg", "made", "caltech:ant", captions)


def test_a_quote_is_only_a_quote(tmp_path):
    """Captions keep their quotation marks, and a lone one does not swallow the rows after it."""
    folder = corpus(
        tmp_path, '1.jpg\tmade\t\ta "red" dog\t\t', '2.jpg\tmade\t\t"half open\t\t', "3.jpg\tmade\t\tc\t\t"
    )
    assert [one.captions["en"][0] for one in read_corpus([folder], Reserved())] == [
        'a "red" dog',
        '"half open',
        "c",
    ]


def test_reserved_names_are_dropped(tmp_path):
    """A listed class picture is dropped by folder and name, a listed captioned one by name, others stay."""
    rows = ("ant/1.jpg", "bee/1.jpg", "x/777.jpg")
    folder = corpus(tmp_path / "all", *(f"{path}\tmade\t\t\t\t" for path in rows))
    listed = tmp_path / "reserved.txt"
    listed.write_text("labelled-set/ant/1.jpg\ncaptioned-set/777.jpg\n", encoding="utf-8")
    left = read_corpus([folder], read_reserved([listed], []))
    assert [one.path.relative_to(folder).as_posix() for one in left] == ["bee/1.jpg"]


def test_reserved_bytes_are_dropped_under_any_name(tmp_path):
    """A picture whose bytes are those of an evaluation picture never gets through, whatever it is called."""
    folder = corpus(tmp_path / "all", "a/1.jpg\tmade\t\t\t\t", "a/2.jpg\tmade\t\t\t\t")
    held = tmp_path / "evaluation"
    held.mkdir()
    (held / "other-name.jpg").write_bytes((folder / "a" / "2.jpg").read_bytes())
    left = read_corpus([folder], read_reserved([], [held]))
    assert [one.path.name for one in left] == ["1.jpg"]


def test_what_is_reserved_is_known_by_content(tmp_path):
    """Equal bytes have equal digests, different ones do not."""
    for name, data in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(data)
    a, b, c = (digest(tmp_path / name) for name in "abc")
    assert a == b != c


def test_cells_are_split_and_trimmed():
    """Bars separate, blanks and empty parts go."""
    assert cells(" a | b||") == ("a", "b")
    assert cells(None) == ()


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the shared test pictures are not beside the checkout")
def test_every_evaluation_picture_is_reserved(tmp_path):
    """Whatever lies in the evaluation folders is refused by the published list alone, without a look at its bytes."""
    folders = [DATA / "labelled-caltech101", DATA / "captioned-flickr8k-224"]
    reserved = read_reserved([DATA / "training" / "reserved-for-evaluation.txt"], [])
    pictures = [path for folder in folders for path in folder.rglob("*.jpg")]
    assert len(pictures) > 4000
    assert [path for path in pictures if not reserved.covers(Example(path, "made", ""))] == []
