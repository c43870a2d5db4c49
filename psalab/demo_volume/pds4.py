"""PDS4 labels: templates, the blocks that all of them have, and bundles with their collections.

Source: PDS4 Information Model 1.22; PSA's own namespace for the Mission_Area.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psalab.demo_volume.summary import WrittenLabel
from psalab.demo_volume.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from psalab.demo_volume.tree import Tree

__all__ = ["Bundle", "BundleWriter", "filled", "time", "with_prefix"]

_SCHEMAS: Final = {
    "": "http://pds.nasa.gov/pds4/pds/v1",
    ":psa": "http://psa.esa.int/psa/v1",
    ":disp": "http://pds.nasa.gov/pds4/disp/v1",
    ":img": "http://pds.nasa.gov/pds4/img/v1",
    ":geom": "http://pds.nasa.gov/pds4/geom/v1",
    ":xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_PROLOGUE: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<?xml-model href="https://pds.nasa.gov/pds4/pds/v1/PDS4_PDS_1M00.sch" schematypens="http://purl.oclc.org/dsdl/schematron"?>\n'
    "<!-- SYNTHETIC: demonstration volume of psalab -->"
)
_PLAIN_TAG: Final = re.compile(r"<(/?)(?=[A-Za-z])(?![\w.-]*:)")
_COLLECTION_TYPES: Final = {
    "data": "Data",
    "browse": "Browse",
    "document": "Document",
    "context": "Context",
    "calibration": "Calibration",
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the labels of a bundle have in common; codes are the last parts of the LIDs of context products.

    `suffix` is that of its labels.
    """

    id: str
    suffix: str
    mission: str
    mission_code: str
    host: str
    host_code: str
    instrument: str
    instrument_code: str
    instrument_name: str
    target: str
    target_code: str


def time(moment: datetime) -> str:
    """Write a time with milliseconds, without its Z."""
    return moment.isoformat(timespec="milliseconds")


def filled(name: str, /, **values: Any) -> str:
    """Fill a template, without the last line's end."""
    return template(f"pds4/{name}").format(**values).rstrip("\n")


def with_prefix(label: str) -> str:
    """Write the same label with the prefix ``pds`` instead of a default namespace."""
    return _PLAIN_TAG.sub(r"<\1pds:", label).replace("xmlns=", "xmlns:pds=")


class BundleWriter:
    """A bundle while it is being written; `finish` adds collections and the bundle's own label."""

    def __init__(self, tree: Tree, about: Bundle):
        self.tree, self.about = tree, about
        self._members: dict[str, list[str]] = {}

    def lid(self, *parts: str) -> str:
        """Logical identifier of a collection or a product."""
        return ":".join(["urn:esa:psa", self.about.id, *parts])

    def product(
        self,
        name: str,
        template_name: str,
        /,
        *,
        product_class: str,
        title: str,
        files: Mapping[str, bytes],
        vid: str = "1.0",
        label_name: str = "",
        prefixed: bool = False,
        relation: str = "data",
        **fields: Any,
    ) -> WrittenLabel:
        """Write a product.

        Parameters
        ----------
        name : str
            Collection, folders below it if any, and product, joined by ``/``; collection and product make its LID.
        template_name : str
            Of the label.
        product_class, title, vid : str
        files : mapping of str to bytes
            Data files by their names; they lie beside the label.
        label_name : str, optional
            Of the label's file without the suffix, if it is not the product's name.
        prefixed : bool
            Whether the label uses a prefix instead of the default namespace.
        relation : str
            How context products are referred to.
        **fields
            For the template.
        """
        collection, _, below = name.partition("/")
        folder, product = f"{self.about.id}/{name.rpartition('/')[0]}", below.rpartition("/")[2]
        lid = self.lid(collection, product)
        blocks = [_file(file, data) for file, data in files.items()]
        label = filled(
            template_name,
            **self._common(lid, vid, title, product_class, relation),
            file="\n".join(blocks),
            product_class=product_class,
            **fields,
        )
        for file, data in files.items():
            self.tree.write(f"{folder}/{file}", data)
        path = f"{folder}/{label_name or product}.{self.about.suffix}"
        record = self._record(path, product_class, lid, vid, tuple(f"{folder}/{file}" for file in files))
        self.tree.label(record, ((with_prefix(label) if prefixed else label) + "\n").encode())
        self._members.setdefault(collection, []).append(f"{lid}::{vid}")
        return record

    def guide(self, product: str, name: str) -> None:
        """Write the document that says how the products are made."""
        text = filled("guide.txt", about=self.about).replace("\n", "\r\n").encode()
        self.product(
            f"document/{product}",
            "document.xml",
            product_class="Product_Document",
            title=f"SYNTHETIC guide to {self.about.instrument}",
            files={f"{name}.txt": text},
            label_name=name,
            relation="document",
            name=f"{name}.txt",
            size=len(text),
            md5=_md5(text),
        )

    def finish(self) -> None:
        """Write the collections and the bundle."""
        for collection, members in self._members.items():
            self._collection(collection, sorted(members))
        entries = [
            filled("bundle_member.xml", lid=self.lid(collection), type=collection.partition("_")[0])
            for collection in self._members
        ]
        lid, title = self.lid(), f"SYNTHETIC bundle of {self.about.instrument}"
        label = filled(
            "bundle.xml", members="\n".join(entries), **self._common(lid, "1.0", title, "Product_Bundle", "bundle")
        )
        path = f"{self.about.id}/bundle_{self.about.id}.{self.about.suffix}"
        self.tree.label(self._record(path, "Product_Bundle", lid, "1.0", ()), (label + "\n").encode())

    def _collection(self, collection: str, members: list[str]) -> None:
        name = f"collection_{collection}"
        inventory = "".join(f"P,{member}\r\n" for member in members).encode()
        lid, title = self.lid(collection), f"SYNTHETIC collection {collection} of {self.about.instrument}"
        label = filled(
            "collection.xml",
            **self._common(lid, "1.0", title, "Product_Collection", "collection"),
            collection_type=_COLLECTION_TYPES[collection.partition("_")[0]],
            file=_file(f"{name}.csv", inventory),
            records=len(members),
        )
        folder = f"{self.about.id}/{collection}"
        self.tree.write(f"{folder}/{name}.csv", inventory)
        record = self._record(
            f"{folder}/{name}.{self.about.suffix}", "Product_Collection", lid, "1.0", (f"{folder}/{name}.csv",)
        )
        self.tree.label(record, (label + "\n").encode())

    def _common(self, lid: str, vid: str, title: str, product_class: str, relation: str) -> dict[str, Any]:
        """Fields that the templates of all classes have; those that one does not use are left over."""
        names = " ".join(f'xmlns{prefix}="{uri}"' for prefix, uri in _SCHEMAS.items())
        return {
            "prologue": _PROLOGUE,
            "namespaces": names,
            "identification": filled("identification.xml", lid=lid, vid=vid, title=title, product_class=product_class),
            "context": filled("context.xml", about=self.about, relation=relation),
            "about": self.about,
        }

    def _record(self, path: str, product_class: str, lid: str, vid: str, files: tuple[str, ...]) -> WrittenLabel:
        kind = product_class.removeprefix("Product_").lower()
        return WrittenLabel(
            path=path,
            standard="PDS4",
            kind="data" if kind == "observational" else kind,
            family=f"{self.about.id}/{product_class}",
            id=lid,
            version=vid,
            dataset=":".join(lid.split(":")[:5]),
            files=files,
        )


def _file(name: str, data: bytes) -> str:
    return filled("file.xml", name=name, size=len(data), md5=_md5(data))


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
