from lol_lightning.features import BagOfWords, ColumnFeatures, TableFeatures, TextEmbeddings
from lol_lightning.features.parts import interpretable_part, part_of_column


def test_a_bag_reads_its_text_column_and_a_table_reads_no_text():
    assert BagOfWords(text_column="body").text_columns == ["body"]
    assert BagOfWords(text_column=3).text_columns == ["3"]
    assert TableFeatures().text_columns == []


def test_words_and_columns_can_be_asked_for():
    assert BagOfWords().interpretable
    assert TableFeatures().interpretable


def test_the_part_that_probing_and_surrogates_ask():
    title, body = BagOfWords(text_column="title"), BagOfWords(text_column="body")
    meaning, table = TextEmbeddings(len, text_column="body"), TableFeatures()
    space = ColumnFeatures({"table": table, "meaning": meaning, "title": title, "words": body})
    assert part_of_column(space, "title", "text") is title
    assert part_of_column(space, "body", "text") is body
    assert part_of_column(space, "author", "text") is None
    assert part_of_column(title, "title", "text") is title
    assert part_of_column(title, "body", "body") is None
    assert part_of_column(meaning, "body", "body") is None
    assert part_of_column(None, "text", "text") is None
    assert list(interpretable_part(space).parts.values()) == [table, title, body]
    assert interpretable_part(ColumnFeatures({"meaning": meaning})) is None
    assert interpretable_part(meaning) is None
    assert interpretable_part(title) is title
