"""What there is to train on: datasets with their series, columns and bars."""

import asyncio

from fastapi import APIRouter

from forecastle.api.depends import ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.bootstrap import Services
from forecastle.data import catalogue, symbols
from forecastle.data.dataset import Dataset
from forecastle.data.symbols import DataOptions, Series
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["data"])


@router.get("/data/options")
async def list_data_options(services: ServicesDep, _user: UserDep) -> Page[DataOptions]:
    """What each dataset offers to a recipe: its series, the columns that can be predicted, the bars that fit."""
    return Page(await asyncio.to_thread(symbols.options, services.tables, await _datasets(services)))


@router.get("/data/options/{symbol}")
async def get_data_options(services: ServicesDep, _user: UserDep, symbol: str) -> Page[Series]:
    """The datasets that hold a series (a ticker, a city, a team), in whatever case it is written, and its extent."""
    return Page(await asyncio.to_thread(symbols.find, services.tables, await _datasets(services), symbol))


@router.get("/data/map")
async def get_data_map(services: ServicesDep, _user: UserDep) -> dict[str, tuple[Series, ...]]:
    """Every series, in upper case, and the datasets that hold it."""
    return await asyncio.to_thread(symbols.by_symbol, services.tables, await _datasets(services))


async def _datasets(services: Services) -> list[Dataset]:
    async with services.database.read() as session:
        return await catalogue.list_all(session)
