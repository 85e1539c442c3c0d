"""The order of the chapters, and how the tour ends."""

import time
import traceback

from services.tour import invented
from services.tour.chapters import assessment, cancellation, closing, couple, door, hospital, museum, opening, sports
from services.tour.client import ASK_AGAIN, Api, Stopped
from services.tour.guide import Guide
from services.tour.narration import Narrator
from services.tour.place import Place
from services.tour.sink import Sink
from shared.clock import Clock
from shared.contracts import Words
from shared.http import Client

TITLE = Words(
    "预约 Yuyue 导览：以居民、工作人员、排班员的身份，只用公开接口，实地预约一遍。人物、证件、电话、邮箱均为虚构。",
    "A tour of Yuyue 预约: as residents, staff and a scheduler, through the public API alone. People, documents, telephones"
    " and mailboxes are invented.",
)
NOT_AS_DOCUMENTED = Words("有一个答复不是接口文档所写的样子", "an answer is not of the form that the API documents")


async def tour(narrator: Narrator, place: Place, clock: Clock, pause: float) -> bool:
    """Take the tour; return whether it ended well. A step that fails is told, with what to do about it."""
    began = time.monotonic()
    narrator.title(TITLE)
    async with Client() as http:
        guide = Guide(
            narrator=narrator,
            booking=Api(http, place.booking, narrator, pause),
            notify=Api(http, place.notify, narrator, pause),
            sink=Sink(http, place.sink),
            place=place,
            clock=clock,
        )
        try:
            await _tell(guide)
            await closing.tell(guide, time.monotonic() - began)
        except Stopped as stopped:
            narrator.failed(stopped.what, stopped.to_do, stopped.details)
            return False
        except (LookupError, TypeError, ValueError) as error:  # the answers were taken for what the API documents
            narrator.failed(
                NOT_AS_DOCUMENTED, ASK_AGAIN, [line.strip() for line in traceback.format_exception(error)[-2:]]
            )
            return False
        finally:
            await guide.close()
    return True


async def _tell(guide: Guide) -> None:
    narrator = guide.narrator
    await opening.tell(guide)
    narrator.chapter(Words("居民登录：手机号与短信验证码", "A resident signs in: telephone number and code"))
    lin = await guide.sign_in(Words("林晓", "Lin Xiao"), "lin.xiao", aloud=True)
    lin_id = await guide.save(lin, invented.resident(guide.chance, narrator.pick(lin.caller.name), "self", born=1990))
    evening = await museum.tell(guide, lin, lin_id)
    court, court_service = await sports.tell(guide, lin, lin_id, evening)
    zhou, zhou_id = await sports.refuse(guide, court)
    await couple.tell(guide, zhou, zhou_id)
    await assessment.tell(guide)
    await hospital.tell(guide)
    await door.tell(guide, lin)
    await cancellation.tell(guide, court, court_service)
