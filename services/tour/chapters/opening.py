"""Is everything there, and what does the city offer?"""

from collections import Counter
from typing import Any, Final

from services.tour.client import START_IT, Ask, Stopped
from services.tour.guide import Guide
from services.tour.narration import Narrator
from shared.contracts import Words

KINDS: Final = {
    "museum": Words("市级博物馆", "municipal museums"),
    "sports": Words("公共体育场馆", "public sports venues"),
    "fertility": Words("生育评估门诊", "fertility evaluation clinics"),
    "assessment": Words("老年人能力评估机构", "agencies that assess older people's abilities"),
    "hospital": Words("医院", "hospitals"),
}


async def tell(guide: Guide) -> None:
    """Ask both services whether they are ready, and list the venues."""
    narrator = guide.narrator
    narrator.chapter(Words("系统已就绪", "The system is there"))
    if not await guide.sink.answers():
        raise Stopped(
            Words(
                f"短信与邮件收件箱 {guide.place.sink} 没有答复",
                f"the sink for mail and SMS at {guide.place.sink} does not answer",
            ),
            START_IT,
        )
    for api in (guide.booking, guide.notify):
        await api.quietly(guide.anybody, Ask(method="GET", path="/readyz"))
    narrator.checked(
        Words(
            f"预约服务 {guide.place.booking}、通知服务 {guide.place.notify}、短信与邮件收件箱 {guide.place.sink} 都有答复",
            f"booking at {guide.place.booking}, notify at {guide.place.notify} and the sink for mail and SMS at"
            f" {guide.place.sink} all answer",
        )
    )
    ask = Ask(method="GET", path="/api/v1/venues", query={"limit": 100})
    await guide.booking.ask(guide.anybody, ask, lambda body: _counted(body, narrator))


def _counted(body: Any, narrator: Narrator) -> list[str]:
    counted = Counter(venue["kind"] for venue in body["items"])
    missing = [kind for kind in KINDS if not counted[kind]]
    if missing:
        raise Stopped(
            Words(f"目录里没有 {missing}", f"the catalogue has no {', '.join(missing)}"),
            Words("重新载入全市数据：make run", "Load the city's data again: make run"),
        )
    return [
        narrator.pick(Words(f"{words.zh} {counted[kind]} 家", f"{counted[kind]} {words.en}"))
        for kind, words in KINDS.items()
    ]
