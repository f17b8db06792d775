"""Rows as Spark has them, where Spark is not installed."""


class SparkRow(tuple):
    """What pyspark.sql.Row is: a tuple that keeps the names of its fields beside its values."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[self.__fields__.index(name)]
        except ValueError:
            raise AttributeError(name) from None


def spark_row(**values):
    row = SparkRow(values.values())
    row.__fields__ = list(values)
    return row
