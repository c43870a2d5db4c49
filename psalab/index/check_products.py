"""Checks of products against each other: unreadable labels, ids that are there twice, versions, ids against file names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psalab.index.check_codes import CODES, NOTE, Finding
from psalab.index.check_orphans import homes
from psalab.index.check_sources import ENOUGH, Ground, few, filled
from psalab.index.sql import Query

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["file_names", "repeated", "unreadable", "version_gaps"]

_UNREADABLE: Final = f"""
with placed as (select *, regexp_extract(path, '^(.*)/[^/]*$', 1) as folder from rejected), {homes("placed")}
select case when regexp_matches(reason, '^(the folder )?cannot be read') then 'file-unreadable' else 'label-unreadable' end
    as code, h.dataset, r.root, r.path, r.line, concat_ws(': ', r.reason, nullif(left(r.text, 120), '')) as found,
    case when regexp_matches(reason, '^(the folder )?cannot be read') then 'something that can be read'
         else 'a PDS3 or PDS4 label' end as expected
from placed r left join home h using (root, folder)
order by r.root, r.path
"""

# A detached label and the attached one of its data file describe one product; a browse product may have its id.
_GROUPS: Final = """
shared as (
    select root, dataset, kind, id, version, count(*) as times from products
    where dataset is not null and id is not null and twin_of is null
    group by all having count(*) > 1
), share as (
    select root, dataset, sum(times) as sharing, any_value(products) as products from shared
    join (select root, dataset, count(*) as products from products group by all) using (root, dataset) group by all
)"""
#: The label that came last is named, with those that were there.
_TWICE: Final = f"""
with {_GROUPS}, copies as (
    select p.root, p.dataset, p.kind, p.id, p.version, list(p.label order by f.mtime, p.label) as labels
    from products p semi join shared s on s.root = p.root and s.dataset = p.dataset and s.kind = p.kind and s.id = p.id
        and s.version is not distinct from p.version
    left join files f on f.product_key = p.product_key and f.role = 'label'
    where p.twin_of is null group by all
)
select 'product-twice' as code, case when 2 * sharing > products then '{NOTE}' end as severity, dataset, root,
    labels[-1] as path, id as about,
    array_to_string(labels[1:least(3, len(labels) - 1)], ', ')
        || case when len(labels) > 4 then format(' and {{:,}} others', len(labels) - 4) else '' end || ', too' as found,
    format('one label of {{}}{{}}', id, coalesce(' version ' || version, '')) as expected
from copies join share using (root, dataset)
order by root, path
"""
_NOT_UNIQUE: Final = f"""
with {_GROUPS}
select 'ids-not-unique' as code, null as severity, dataset, root, null as path, null as about,
    format('{{:,}} of {{:,}} products share id and version with another', sharing::bigint, products) as found,
    'one label for each id and version' as expected
from share where 2 * sharing > products and products >= {ENOUGH}
order by root, dataset
"""

# 1.2 is followed by 1.3 or 2.0 (or 2): one step goes up by one, and those behind it begin again. Schemas bear the versions
# of the information model, which not all of them follow. Of data sets (path NULL), whose versions are often withdrawn, a
# gap is a note.
_GAPS: Final = f"""
with numbered as (
    select dataset || ' ' || id as thing, dataset, id, regexp_replace(version, '^[Vv]', '') as version, min(root) as root,
        min(label) as label
    from products
    where id is not null and dataset is not null and kind <> 'schema'
        and regexp_full_match(version, '[Vv]?[0-9]{{1,4}}([.][0-9]{{1,4}})*')
    group by dataset, id, version
    union all
    select regexp_replace(upper(dataset), '-V[0-9.]+$', ''), min(dataset), null,
        regexp_extract(upper(dataset), '-V([0-9]{{1,4}}([.][0-9]{{1,4}})*)$', 1), min(root), null
    from products where standard = 'PDS3' and regexp_matches(upper(dataset), '-V[0-9]{{1,4}}([.][0-9]{{1,4}})*$')
    group by upper(dataset)
), stepped as (
    select *, [try_cast(part as bigint) for part in string_split(version, '.')] as steps from numbered
    where thing in (select thing from numbered group by thing having count(distinct version) > 1)
), several as (
    select *, lag(version) over versions as former, lag(steps) over versions as before from stepped
    window versions as (partition by thing order by steps)
), compared as (
    select *, list_resize(before, longest, 0) as old, list_resize(steps, longest, 0) as new
    from (select *, greatest(len(before), len(steps)) as longest from several) where before <> steps
)
select 'version-gap' as code, case when label is null then '{NOTE}' end as severity, dataset, root, label as path, id as about,
    format('version {{}} follows {{}}', version, former) as found,
    case when len(before) = 1 then format('version {{}}', before[1] + 1)
        else format('version {{}}.{{}} or {{}}.0', array_to_string(list_slice(before, 1, len(before) - 1), '.'),
            before[len(before)] + 1, before[1] + 1) end as expected
from compared
where new <> old and not list_bool_or([
    list_slice(new, 1, step - 1) = list_slice(old, 1, step - 1) and new[step] = old[step] + 1
        and coalesce(list_max(list_slice(new, step + 1, len(new))), 0) <= 1
    for step in range(1, len(new) + 1)])
order by root, path, version
"""

# Relations between id and file name, the strictest first; only letters and digits count, in any case. Of a LID the last
# part counts. A data set's habit is the first that all but few of its labels of a kind keep.
_HABITS: Final = """
with parts as (
    select product_key, root, dataset, kind, label, id, version, regexp_extract(label, '([^/]*)$', 1) as file,
        case when standard = 'PDS4' then regexp_extract(id, '([^:]*)$', 1) else id end as last
    from products where id is not null and dataset is not null
), plain as (
    select *, {plain(file)} as a, {plain(file without suffix)} as b, {plain(last)} as c, {plain(last without suffix)} as d
    from parts
), related as (
    select *, [b = c, b = d, a = c, starts_with(b, d) and len(d) > 3, starts_with(d, b) and len(b) > 3,
        (contains(b, d) and len(d) > 3) or (contains(d, b) and len(b) > 3),
        {digits(b)} = {digits(d)} and len({digits(b)}) > 5, contains({stem}, {number}) and len({number}) > 5] as relations
    from plain
), counted as (
    select root, dataset, kind, rule, count(*) as labels, count(*) filter (where relations[rule]) as keeping
    from related, (select unnest(range(1, 9)) as rule) group by all having count(*) >= {enough}
), habits as (
    select root, dataset, kind, min(rule) as rule, any_value(labels) as labels from counted
    where labels - keeping <= {few} group by all
)
select 'id-file-name' as code, null as severity, r.dataset, r.root, r.label as path, r.id as about,
    r.id || ' in ' || r.file as found,
    format('an id that {}, as in {:,} other labels', [
        'is the name of the file', 'is the name of the file', 'is the name of the file', 'begins the name of the file',
        'begins with the name of the file', 'shares a part with the name of the file',
        'has the digits of the name of the file', 'has a number of the name of the file'][h.rule], h.labels - 1) as expected
from related r join habits h on h.root = r.root and h.dataset = r.dataset and h.kind = r.kind
where not r.relations[h.rule]
-- what several versions of a product are called is no slip
qualify min(version) over (partition by r.root, r.dataset, r.id) is not distinct from
    max(version) over (partition by r.root, r.dataset, r.id)
order by r.root, r.label
"""


def _plain(name: str) -> str:
    return f"regexp_replace(lower({name}), '[^a-z0-9]', '', 'g')"


def _digits(name: str) -> str:
    return f"regexp_replace({name}, '[^0-9]', '', 'g')"


def _number(name: str) -> str:
    """Write the longest number in a name."""
    return f"coalesce(list_max([{{'size': len(n), 'number': n}} for n in regexp_extract_all({name}, '[0-9]+')]).number, '')"


_HABITS_PARTS: Final = {
    "plain(file)": _plain("file"),
    "plain(file without suffix)": _plain("regexp_replace(file, '[.][^.]*$', '')"),
    "plain(last)": _plain("last"),
    "plain(last without suffix)": _plain("regexp_replace(last, '[.][A-Za-z0-9]{1,4}$', '')"),
    "digits(b)": _digits("b"),
    "digits(d)": _digits("d"),
    "number": _number("lower(last)"),
    "stem": "lower(regexp_replace(file, '[.][^.]*$', ''))",
    "enough": ENOUGH,
    "few": f"greatest(2, {few('labels')})",
}


def unreadable(ground: Ground) -> Iterator[Finding]:
    """Labels that are none, and files and folders that could not be read."""
    for code, dataset, root, path, line, found, expected in ground.rows(Query(_UNREADABLE)):
        yield Finding(code, CODES[code].severity, dataset, root, path, line, None, found, expected)


def repeated(ground: Ground) -> Iterator[Finding]:
    """Products of one volume with the same data set, id and version."""
    yield from ground.findings(Query(_NOT_UNIQUE))
    yield from ground.findings(Query(_TWICE))


def version_gaps(ground: Ground) -> Iterator[Finding]:
    """Products of which an older and a newer version are there, and none in between."""
    yield from ground.findings(Query(_GAPS))


def file_names(ground: Ground) -> Iterator[Finding]:
    """Ids that do not fit the file's name as those of the other labels of the data set do."""
    yield from ground.findings(Query(filled(_HABITS, **_HABITS_PARTS)))
