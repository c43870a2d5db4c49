"""Check of files that no label names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psalab.index.check_missing import NAMED, naming
from psalab.index.check_sources import Ground, filled, texts
from psalab.index.sql import Query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psalab.index.check_codes import Finding

__all__ = ["homes", "orphans"]

#: Files that need no label: what describes a volume or lists its files, structures and catalogues, texts, schemas, sums
#: (PDS Standards Reference 3.8, chapter 19; PDS4 Concepts, the parts of a bundle).
_CONVENTIONAL: Final = (
    r"voldesc\.[a-z]+|aareadme\..*|readme.*|errata\..*|[a-z0-9_]*info\.txt|licen[cs]e.*|.*\.(cat|fmt|txt|md|xsd|sch|dtd|asc)"
    r"|(cum)?index\..*|.*inventory.*\.(csv|tab)|.*manifest.*|.*checksum.*|.*\.(md5|sha1|sha256|sha512)"
)
#: Folders whose files need none.
_FOLDERS: Final = r"/(catalog|index|label|software|schema|xml_schema|extras)/"
#: Pictures that show a product, and bear its name.
_PICTURES: Final = r".*\.(png|jpe?g|gif|tiff?|webp|svg|pdf)"


#: So many files of one kind in a folder, and none of the kind with a label, are one finding.
_HEAP: Final = 10
_SUFFIX: Final = "lower(regexp_extract(name, '[.][^.]*$'))"


def _stem(name: str) -> str:
    return f"lower(regexp_replace({name}, '[.][^./]*$', ''))"


_LABEL_FOLDER: Final = "lower(regexp_extract(path, '^(.*)/[^/]*$', 1))"
_LABEL_STEM: Final = _stem("regexp_extract(path, '([^/]*)$', 1)")


def homes(places: str) -> str:
    """Write common table expressions that end in `home`: root, folder and the data set that lives there.

    It is that of at least nine in ten products below the folder, or below the nearest one above of which this is so.

    Parameters
    ----------
    places : str
        A table of root and folder.
    """
    above = "unnest(range(0, len(steps) + 1)) as depth from (select *, case when folder = '' then [] else "
    return f"""
    above as (
        select root, folder, depth, array_to_string(steps[1:depth], '/') as ancestor
        from (select root, folder, steps, {above} string_split(folder, '/') end as steps from (
            select distinct root, folder from {places})))
    ), filled as (
        select root, dataset, count(*) as products, regexp_extract(label, '^(.*)/[^/]*$', 1) as folder
        from products where dataset is not null group by all
    ), spread as (
        select root, array_to_string(steps[1:depth], '/') as ancestor, dataset, sum(products) as products
        from (select root, dataset, products, steps, {above} string_split(folder, '/') end as steps from filled)) group by all
    ), settled as (
        select root, ancestor, arg_max(dataset, products) as dataset from spread group by root, ancestor
        having max(products) >= 0.9 * sum(products)
    ), home as (
        select root, folder, arg_max(dataset, depth) as dataset from above join settled using (root, ancestor) group by all
    )"""


_ORPHANS: Final = f"""
with {NAMED}, loose as (
    select root, folder, name, {_stem("name")} as stem from files
    where role in ('other', 'peeked') and product_key is null and not regexp_full_match(lower(name), ?)
        and not regexp_matches('/' || lower(folder) || '/', ?)
), labels as (
    select distinct root, {_LABEL_FOLDER} as folder, {_LABEL_STEM} as stem, false as bad from (
        select root, label as path from products)
    union all
    select distinct root, {_LABEL_FOLDER}, {_LABEL_STEM}, true from rejected
), named_here as (
    select distinct p.root, lower(regexp_extract(n.name, '([^/]*)$', 1)) as name
    from named n join products p using (product_key)
    where lower(regexp_extract(n.name, '([^/]*)$', 1)) in (select lower(name) from loose)
), beside as (
    select root, folder, stem, bool_or(bad) as bad from labels semi join (
        select root, lower(folder) as folder, stem from loose) using (root, folder, stem) group by all
), shown as (
    select distinct root, stem from labels where stem in (select stem from loose)
), kept as (
    select l.root, l.folder, l.name, b.stem is not null as is_beside
    from loose l left join beside b on b.root = l.root and b.folder = lower(l.folder) and b.stem = l.stem
    anti join named_here n on n.root = l.root and n.name = lower(l.name)
    left join shown s on s.root = l.root and s.stem = l.stem
    where not coalesce(b.bad, false) and (s.stem is null or not regexp_full_match(lower(l.name), ?))
), labelled as (
    select distinct root, folder, {_SUFFIX} as suffix from files
    where product_key is not null and (root, folder) in (select (root, folder) from kept)
), sorted as (
    select k.*, count(*) over heap as times, row_number() over (heap order by k.name) as place, l.suffix is null as alone
    from (select *, {_SUFFIX} as suffix from kept) k left join labelled l using (root, folder, suffix)
    window heap as (partition by root, folder, suffix, is_beside)
), told as (
    select *, alone and times >= {_HEAP} as is_heap from sorted
), {homes("kept")}
select case when is_beside then 'file-not-named' else 'orphan-file' end as code, null as severity, h.dataset, t.root,
    case when t.folder = '' then '' else t.folder || '/' end || case when is_heap then '*' || suffix else t.name end as path,
    null as about,
    case when is_heap then format('{{:,}} files that no label names, such as {{}}', times, t.name)
        when is_beside then 'the label of this name does not mention the file' else 'no label names the file' end as found,
    'a label that describes it' as expected
from told t left join home h on h.root = t.root and h.folder = t.folder
where not is_heap or place = 1
order by t.root, path
"""


def orphans(ground: Ground) -> Iterator[Finding]:
    """Files that no label names, but for those that need none."""
    source = texts(naming(ground))
    values = (*source.values, _CONVENTIONAL, _FOLDERS, _PICTURES)
    yield from ground.findings(Query(filled(_ORPHANS, source=source.text), values))
