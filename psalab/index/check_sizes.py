"""Checks of files against what their labels declare: sizes, and MD5 sums."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from psalab.index.check_codes import DAMAGE, DOUBT, NOTE, Finding
from psalab.index.check_missing import LABEL_SUFFIX, naming
from psalab.index.check_sources import Ground, filled, numbers, texts
from psalab.index.sql import Query
from psalab.index.walk import unescape

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

__all__ = ["checksums", "sizes"]

_BLOCK: Final = "regexp_extract(path, '^(.*)/[^/]*$', 1)"
_NAME: Final = "regexp_extract(path, '([^/]*)$', 1)"

# FILE_RECORDS times RECORD_BYTES is the size of the one file that the block names, or else of the file that begins with
# the label, as its suffix tells, or a pointer that is a record number alone (PDS Standards Reference 3.8, sections 5.3 and
# 15.1). Real archives hold complete files that are a record shorter, and padded ones: less than that is a note.
_SIZES_PDS3: Final = """
with valued as (
    select product_key, {block} as block, {name} as keyword, any_value(value) as value
    from ({numbers}) where value is not null group by all having count(*) = 1
), fixed as (
    select product_key, {block} as block from ({types}) where upper(value) = 'FIXED_LENGTH'
), records as (
    select product_key, block, b.value as record, b.value * r.value as bytes
    from valued b join valued r using (product_key, block) semi join fixed using (product_key, block)
    where b.keyword = 'RECORD_BYTES' and r.keyword = 'FILE_RECORDS' and b.value > 0 and r.value > 0
), named as (
    select product_key, {block} as block, min(lower(trim(value))) as name, count(distinct lower(trim(value))) as names
    from ({names}) where value is not null and not regexp_full_match(trim(value), '[0-9.]*') group by all
), compared as (
    select r.*, f.name, f.size from records r join named n using (product_key, block)
    join files f on f.product_key = r.product_key and lower(f.name) = n.name
    where n.names = 1
    union all
    select r.*, f.name, f.size from records r anti join named using (product_key, block)
    join files f on f.product_key = r.product_key
    where r.block = '' and f.role = 'label' and (not regexp_matches(lower(f.name), {label_suffix})
        or r.product_key in (select product_key from ({places})))
)
select 'size-differs' as code, case when c.size < c.bytes - c.record then '{damage}'
        when c.size >= c.bytes + c.record then '{doubt}' else '{note}' end as severity,
    p.dataset, p.root, p.label as path, c.name as about, format('{:,} bytes', c.size) as found,
    format('{:,} bytes ({:,} records of {:,})', c.bytes::bigint, (c.bytes / c.record)::bigint, c.record::bigint) as expected
from compared c join products p using (product_key)
where c.size <> c.bytes
order by p.root, p.label, c.name
"""

_FILES: Final = """
from ({declared}) d join files f on f.product_key = d.product_key and lower(f.name) = lower(d.name)
join products p on p.product_key = d.product_key
where f.role = 'data'"""
_SIZES_PDS4: Final = f"""
select 'size-differs' as code, null as severity, p.dataset, p.root, p.label as path, f.name as about,
    format('{{:,}} bytes', f.size) as found, format('{{:,}} bytes', d.bytes::bigint) as expected
{_FILES} and f.size <> d.bytes and d.bytes > 0
order by p.root, p.label, f.name
"""
_SUMS: Final = f"""
select p.dataset, p.root, p.label, f.folder, f.name, lower(d.md5) as md5
{_FILES} and regexp_full_match(lower(d.md5), '[0-9a-f]{{32}}')
order by p.root, f.folder, f.name
"""
_SEVERITIES: Final = {"damage": DAMAGE, "doubt": DOUBT, "note": NOTE}
_READ: Final = Query("select product_key, name, bytes, md5 from read")

# Values in the order of the label, with the number of them in each label: names and others pair where it is the same.
_PAIRED: Final = f"""
select product_key, {_BLOCK} as block, position, value, count(*) over (partition by product_key, path) as times
from ({{source}})
"""
_DECLARED: Final = """
select product_key, n.value as name, b.value as bytes, s.value as md5 from ({names}) n
left join ({sizes}) b using (product_key, block, position, times)
left join ({sums}) s using (product_key, block, position, times)
"""


def sizes(ground: Ground) -> Iterator[Finding]:
    """Files whose size is not what their label declares."""
    rows = [row for row in ground.keywords if row.standard == "PDS3"]
    counts = numbers([row for row in rows if row.name in ("RECORD_BYTES", "FILE_RECORDS")])
    types = texts([row for row in rows if row.name == "RECORD_TYPE"])
    pointers = [row for row in naming(ground) if row.standard == "PDS3"]
    names, places = texts(pointers), numbers(pointers)
    parts = {"numbers": counts.text, "types": types.text, "names": names.text, "places": places.text}
    text = filled(_SIZES_PDS3, **parts, block=_BLOCK, name=_NAME, label_suffix=LABEL_SUFFIX, **_SEVERITIES)
    yield from ground.findings(Query(text, (*counts.values, *types.values, *names.values, *places.values)))
    for declared, frames in _declared(ground):
        yield from ground.findings(Query(filled(_SIZES_PDS4, declared=declared.text), declared.values), **frames)


def checksums(ground: Ground) -> Iterator[Finding]:
    """Files whose MD5 sum is not what their PDS4 label declares; every byte of them is read."""
    done = 0
    for declared, frames in _declared(ground):
        for row in ground.rows(Query(filled(_SUMS, declared=declared.text), declared.values), **frames):
            ground.tell("summing files", done, 0)
            done += 1
            dataset, root, label, folder, name, expected = row
            found = _md5(os.path.join(ground.folders[root], unescape(folder), unescape(name)))
            if found != expected:
                yield Finding("checksum-differs", DAMAGE, dataset, root, label, None, name, found, expected)


def _md5(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _declared(ground: Ground) -> Iterator[tuple[Query, dict[str, pa.Table]]]:
    """Select what PDS4 labels declare of files (product_key, name, bytes, md5): in the index, or in the labels themselves."""
    if not ground.structure:
        for read in ground.declared:
            yield _READ, {"read": read}
        return
    names = texts([row for row in naming(ground) if row.standard == "PDS4"])
    bytes_ = numbers([row for row in ground.keywords if row.name == "pds:file_size"])
    sums = texts([row for row in ground.keywords if row.name == "pds:md5_checksum"])
    paired = (filled(_PAIRED, source=source.text) for source in (names, bytes_, sums))
    text = filled(_DECLARED, **dict(zip(("names", "sizes", "sums"), paired, strict=True)))
    yield Query(text, (*names.values, *bytes_.values, *sums.values)), {}
