"""Where in the city: its districts, with the sub-districts and townships that a household may be registered in."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.deps import ReaderDep, documented
from services.booking.api.offered import A_MINUTE, answer, catalogue_of
from shared.contracts import Words
from shared.web import Page, Shown, strict_router

router = strict_router(prefix="/api/v1/districts", tags=["venues"])

_ZHONGSHAN: dict[str, Any] = {
    "id": "zhongshan",
    "name": {"zh": "中山区", "en": "Zhongshan District"},
    "subdistricts": [{"id": "taoyuan", "name": {"zh": "桃源街道", "en": "Taoyuan Sub-district"}}],
}


class SubdistrictShown(Shown):
    """A sub-district or township (街道、乡镇)."""

    id: Annotated[str, Field(description="What the declaration of a household registration names.")]
    name: Words


class DistrictShown(Shown):
    """A district, county-level city or pilot zone (区市县、先导区)."""

    id: str
    name: Words
    subdistricts: list[SubdistrictShown]

    model_config = ConfigDict(json_schema_extra={"examples": [_ZHONGSHAN]})


@router.get("", summary="全市区市县 The city's districts", response_model=Page[DistrictShown], **documented())
async def read_districts(asker: ReaderDep) -> Response:
    """Every district with its sub-districts, in the order in which the city names them; always one page."""
    catalogue = await catalogue_of(asker)
    items = [
        DistrictShown(
            id=district.id,
            name=district.name,
            subdistricts=[SubdistrictShown(id=key, name=name) for key, name in district.subdistricts.items()],
        )
        for district in catalogue.districts.values()
    ]
    return answer(Page[DistrictShown](items=items, next=None), A_MINUTE)
