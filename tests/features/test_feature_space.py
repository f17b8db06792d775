from lol_lightning.features import BagOfWords, TableFeatures


def test_a_bag_reads_its_text_column_and_a_table_reads_no_text():
    assert BagOfWords(text_column="body").text_columns == ["body"]
    assert BagOfWords(text_column=3).text_columns == ["3"]
    assert TableFeatures().text_columns == []


def test_words_and_columns_can_be_asked_for():
    assert BagOfWords().interpretable
    assert TableFeatures().interpretable
