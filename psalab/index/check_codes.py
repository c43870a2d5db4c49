"""What a check may find: its codes, how bad each is, and the finding itself."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["CODES", "DAMAGE", "DOUBT", "NOTE", "SEVERITIES", "Code", "Finding"]

NOTE: Final = "note"
DOUBT: Final = "doubt"
DAMAGE: Final = "damage"
#: The worst first.
SEVERITIES: Final = (DAMAGE, DOUBT, NOTE)


class Code(NamedTuple):
    """A kind of finding.

    Attributes
    ----------
    severity : str
        Of its findings; `note` (only there to be found), `doubt` (somebody should look), `damage` (data or labels that
        cannot be used as they are). A single finding may be milder.
    title : str
    meaning : str
        For people who do not know psalab: what it means, and what to do.
    """

    severity: str
    title: str
    meaning: str


#: In the order of a report. The codes are stable: waivers and former reports name them.
CODES: Final[dict[str, Code]] = {
    "label-unreadable": Code(
        DAMAGE,
        "Labels that cannot be parsed",
        "The file is no valid label, so nobody can tell what the product is. The line is the first that makes no sense.",
    ),
    "file-unreadable": Code(
        DAMAGE,
        "Files and folders that cannot be read",
        "The file system refused to read them when the index was built.",
    ),
    "data-missing": Code(
        DAMAGE,
        "Data files that are not there",
        "The label names a file that is neither beside it nor in a folder nearby.",
    ),
    "data-set-without-data": Code(
        DOUBT,
        "Data sets without any data",
        "Ten or more labels, and not one data file: perhaps labels alone are mounted. Their files are not listed one by one.",
    ),
    "data-elsewhere": Code(
        DOUBT,
        "Data files in another folder",
        "The file that the label names is not beside the label, where both standards want it, but in a neighbouring folder.",
    ),
    "data-name-case": Code(
        NOTE,
        "File names in another case",
        "Label and disk write the name of the file differently (`A.IMG`, `a.img`); not every reader finds it.",
    ),
    "size-differs": Code(
        DAMAGE,
        "Files of another size than declared",
        "PDS3: FILE_RECORDS times RECORD_BYTES; PDS4: file_size. A file that is too short has been cut, or its label is "
        "wrong. Of PDS3, a file that is longer is a doubt, and a difference of a record or less a note.",
    ),
    "checksum-differs": Code(
        DAMAGE,
        "Files whose content has changed",
        "The MD5 sum that the label declares is not that of the file.",
    ),
    "product-twice": Code(
        DOUBT,
        "Products that are there more than once",
        "Several labels of one volume have the same data set, id and version. A note where that is so for most of the data "
        "set.",
    ),
    "ids-not-unique": Code(
        DOUBT,
        "Data sets whose ids do not identify",
        "More than half of the products share their id and version with another one: perhaps a folder was copied.",
    ),
    "version-gap": Code(
        DOUBT,
        "Versions that are missing",
        "An older and a newer version of the product are there, and one in between is not. Of a whole data set it is a note.",
    ),
    "id-file-name": Code(
        DOUBT,
        "Ids that do not fit the file name",
        "In this data set ids and file names follow a habit (learned from its own labels), and this label does not.",
    ),
    "unit-outlier": Code(
        DOUBT,
        "Units that no other label has",
        "At least 99 % of the values of this keyword, among labels of the same family, have one unit, and this has another.",
    ),
    "value-outlier": Code(
        DOUBT,
        "Values far outside the family's range",
        "The value lies several times farther out than the range of the other labels of its family is wide, or is of another "
        "kind (text among numbers).",
    ),
    "keyword-lacking": Code(
        DOUBT,
        "Keywords that all the others have",
        "At least 99 % of the labels of the same family have this keyword, and this label does not.",
    ),
    "orphan-file": Code(
        DOUBT,
        "Files that no label names",
        "Such files cannot be found or understood through the archive. Files that need no label are not listed; ten or more "
        "of one kind in a folder, none of which has a label, are one finding.",
    ),
    "file-not-named": Code(
        NOTE,
        "Files beside a label that does not name them",
        "The file has the name of a label in the same folder, but the label does not mention it.",
    ),
}


class Finding(NamedTuple):
    """One thing that is not as it should be.

    Attributes
    ----------
    code, severity : str
    dataset : str or None
        None where it cannot be told.
    root : str
        Name of the volume.
    path : str or None
        Of the label or the file, below the root; None where the finding is about a whole data set.
    line : int or None
        Line of the label, where one can be told.
    about : str or None
        The keyword, or the name of the file, that it is about.
    found, expected : str
    new : bool or None
        Whether a former report did not have it; None where none was compared.
    waived : str or None
        The reason, where a waiver covers it.
    """

    code: str
    severity: str
    dataset: str | None
    root: str
    path: str | None
    line: int | None
    about: str | None
    found: str
    expected: str
    new: bool | None = None
    waived: str | None = None

    @property
    def identity(self) -> tuple[str, str | None, str, str | None, str | None]:
        """What stays the same from one check to the next."""
        return self.code, self.dataset, self.root, self.path, self.about
