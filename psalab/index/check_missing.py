"""Checks of the files that labels name: whether they are there, beside the label, under the name that it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psalab.index.check_labels import read_declared
from psalab.index.check_sources import ENOUGH, Ground, KeywordRow, filled, texts
from psalab.index.sql import Query
from psalab.labels.pointers import select_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from psalab.index.check_codes import Finding

__all__ = ["LABEL_SUFFIX", "NAMED", "missing_data", "naming"]

#: So many labels of a data set and no data at all are one finding.
_NO_DATA_FROM: Final = 10

#: What tells a detached label from a data file that begins with one.
LABEL_SUFFIX: Final = "'[.](lbl|xml|lblx)$'"
_FOLDER: Final = "regexp_extract(p.label, '^(.*)/[^/]*$', 1)"

#: The names among the values of pointers, whose other values are numbers of records or bytes. Where a product is delivered
#: compressed, the file that it unpacks to need not be there (PDS Standards Reference 3.8, section 5.3.2).
NAMED: Final = """
valued as (
    select distinct product_key, path, trim(value) as name from ({source})
    where value is not null and not regexp_full_match(trim(value), '[0-9.]*')
), named as (
    select product_key, name from valued v where not (starts_with(v.path, 'UNCOMPRESSED_FILE/') and v.product_key in (
        select product_key from valued where starts_with(path, 'COMPRESSED_FILE/')))
)"""

#: Data sets with many labels that name data files, or (of PDS4, without file areas in the index) must, and no data file.
_EMPTY_SETS: Final = f"""
empty_sets as (
    select root, dataset, count(*) as labels from products p
    left join (select distinct product_key, true as has_data from files where role = 'data') using (product_key)
    where kind = 'data' and dataset is not null
        and (product_key in (select product_key from named) or (standard = 'PDS4' and not {{structure}}))
    group by root, dataset
    having count(*) >= {_NO_DATA_FROM} and not bool_or(coalesce(has_data, false))
        and bool_and(regexp_matches(lower(label), {LABEL_SUFFIX}))
)"""

_WITHOUT_DATA: Final = f"""
with {NAMED}, {_EMPTY_SETS}
select 'data-set-without-data' as code, null as severity, dataset, root, null as path, null as about,
    format('{{:,}} labels, no data file', labels) as found, 'data files beside the labels' as expected
from empty_sets order by root, dataset
"""

# A product whose files are all there, as many as its label names, is seen by its key alone; only the others are compared
# by name. A file elsewhere is the label's only if it is below the folder above and no other label's: many data sets have an
# INDEX.TAB.
# Documents of PDS4 may name a folder of their own (directory_path_name).
_MISSING: Final = f"""
with {NAMED}, {_EMPTY_SETS}, candidate as (
    select a.product_key from (select product_key, count(distinct lower(name)) as names from named group by 1) a
    left join (select product_key, count(*) as files from files where role = 'data' group by 1) f using (product_key)
    where a.names > coalesce(f.files, 0)
), placed as (
    select distinct p.root, p.dataset, p.label, p.standard = 'PDS4' and p.kind = 'document' as anywhere, n.name,
        lower(case when {_FOLDER} = '' then n.name else {_FOLDER} || '/' || n.name end) as target
    from named n semi join candidate using (product_key) join products p using (product_key)
    anti join empty_sets e on e.root = p.root and e.dataset = p.dataset
), wanted as (
    select *, regexp_extract(target, '^(.*)/[^/]*$', 1) as at_folder, regexp_extract(target, '([^/]*)$', 1) as at_name,
        lower(regexp_extract(label, '^(.*)/[^/]*/[^/]*$', 1)) as above
    from placed
), missing as (
    select * from wanted w anti join (
        select root, lower(folder) as folder, lower(name) as name from files
        where (root, lower(folder)) in (select (root, at_folder) from wanted)
    ) f on f.root = w.root and f.folder = w.at_folder and f.name = w.at_name
), elsewhere as (
    select m.root, m.target, min(f.folder || '/' || f.name) as place
    from missing m join (
        select root, folder, name from files
        where product_key is null and (root, lower(name)) in (select (root, at_name) from missing)
    ) f on f.root = m.root and lower(f.name) = m.at_name
    where m.above <> '' and starts_with(lower(f.folder) || '/', m.above || '/') group by all
)
select case when e.place is null then 'data-missing' else 'data-elsewhere' end as code, null as severity, m.dataset, m.root,
    m.label as path, m.name as about,
    case when e.place is null then m.name || ' is not there' else 'it is ' || e.place end as found,
    'a file ' || m.name || ' beside the label' as expected
from missing m left join elsewhere e on e.root = m.root and e.target = m.target
where e.place is null or not m.anywhere
order by m.root, m.label, m.name
"""

_OTHER_CASE: Final = f"""
with {NAMED}, differing as (
    select p.root, p.dataset, p.label, n.name, f.name as on_disk, count(*) over data_set as times,
        row_number() over (data_set order by p.label, n.name) as place
    from named n join files f on f.product_key = n.product_key and lower(f.name) = lower(n.name) and f.name <> n.name
    join products p on p.product_key = n.product_key
    where f.role = 'data'
    window data_set as (partition by p.root, p.dataset)
)
select 'data-name-case' as code, null as severity, dataset, root, case when times < {ENOUGH} then label end as path,
    case when times < {ENOUGH} then name end as about,
    case when times < {ENOUGH} then on_disk else format('{{:,}} files, such as {{}}', times, on_disk) end as found,
    name || ', as the label writes it' as expected
from differing where times < {ENOUGH} or place = 1
order by root, label, name
"""

#: PDS4 labels that name files in file areas, where the index has none of these: what they name must be read in them. Of
#: those that no data file belongs to, and that name none elsewhere, or of all.
_UNKNOWN: Final = f"""
with {NAMED}, {_EMPTY_SETS}
select p.product_key, p.root, p.label from products p
left join (select distinct product_key, true as has_data from files where role = 'data') f using (product_key)
anti join named using (product_key)
anti join empty_sets e on e.root = p.root and e.dataset = p.dataset
where p.standard = 'PDS4' and ({{read_all}} or not coalesce(has_data, false))
order by p.root, p.label
"""
_READ: Final = Query("select product_key, '' as path, name as value from read")


def naming(ground: Ground) -> list[KeywordRow]:
    """Give the keywords that name data files: pointers at the top of a label or in a file's block, names in file areas."""
    found = []
    for standard in ("PDS3", "PDS4"):
        rows = [row for row in ground.keywords if row.standard == standard]
        found += [rows[at] for at in select_files(standard, [row.path for row in rows])]
    return [row for row in found if row.standard == "PDS4" or not row.block or row.block.endswith("FILE")]


def missing_data(ground: Ground) -> Iterator[Finding]:
    """Files that labels name and that are not beside them, or there under a name in another case."""
    reads = ground.read_all and not ground.structure
    source = texts([row for row in naming(ground) if row.standard == "PDS3" or not reads])
    yield from ground.findings(_asked(ground, _WITHOUT_DATA, source))
    yield from ground.findings(_asked(ground, _MISSING, source))
    yield from ground.findings(_asked(ground, _OTHER_CASE, source))
    for declared in _read_declared(ground, source):
        yield from ground.findings(_asked(ground, _MISSING, _READ), read=declared)
        yield from ground.findings(_asked(ground, _OTHER_CASE, _READ), read=declared)


def _asked(ground: Ground, text: str, source: Query) -> Query:
    return Query(filled(text, source=source.text, structure=ground.structure, read_all=ground.read_all), source.values)


def _read_declared(ground: Ground, source: Query) -> Iterator[pa.Table]:
    if ground.structure or not any(row.standard == "PDS4" for row in ground.keywords):
        return
    if not ground.read_all:
        ground.limit(
            "the index does not hold the file areas of PDS4 labels: of products that have data, it was not checked whether all "
            "files are there, under the names that the label gives (--sizes reads the labels; an index built with --structure "
            "tells at once)"
        )
    for declared in read_declared(ground, _asked(ground, _UNKNOWN, source), "reading PDS4 labels"):
        ground.declared.append(declared)
        yield declared
