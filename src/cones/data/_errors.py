"""The one error for files that are missing, wrong or out of reach."""


class DataError(RuntimeError):
    """The files of a data set are missing, damaged, of an unknown form, or cannot be fetched.

    A wrong argument (an unknown name, a fraction outside 0..1) is a `ValueError` instead.
    """
