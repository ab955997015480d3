"""DataLoaders, which batch the loads of all objects that graphql-core resolves in one turn.

A request's context holds them. Plans load in batches without them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader

from gql.execution.declarations import Computed, Relation, RowList, RowObject

BatchLoad = Callable[[list[Any]], Awaitable[Sequence[Any]]]


async def load_relation(
    relation: Relation, root: RowObject, info: Any, arguments: Mapping[str, Any]
) -> RowList[Any]:
    """Return the objects of a relation for one parent."""
    key = root.row[relation.key_column]
    if key is None and relation.null_key_error:
        raise relation.null_key_error()
    context = info.context
    columns: tuple[str, ...] = info.selected_columns() or ()

    async def load(keys: list[Any]) -> Sequence[RowList[Any]]:
        groups = await relation.load(context, keys, columns, **arguments)
        return [RowList(relation.type_thunk(), groups.group(key)) for key in keys]

    loader = _get_loader(context.loaders, (relation, columns, *arguments.items()), load)
    return await loader.load(key)


async def load_computed(
    computed: Computed, root: RowObject, info: strawberry.Info[Any, Any]
) -> Any:
    """Return the computed value of one object, None if its first source column is null."""
    row = tuple(root.row[name] for name in computed.columns)
    if row[0] is None:
        return None
    context = info.context

    async def load(rows: list[Any]) -> Sequence[Any]:
        return await computed.compute(context, rows)

    value = await _get_loader(context.loaders, computed, load).load(row)
    if isinstance(value, str):
        context.size.add_texts(len(value))
    return value


def _get_loader(loaders: dict[Any, Any], key: object, load: BatchLoad) -> DataLoader[Any, Any]:
    """Return the loader with this key; create it on first use."""
    if key not in loaders:
        loaders[key] = DataLoader(load)
    return loaders[key]
