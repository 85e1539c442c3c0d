"""What a reader of the mail folder sees while a mail is written."""

from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.sink.mail import MailFolder


async def test_a_mail_that_is_not_whole_yet_is_nobodys_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[list[Path], int]] = []
    replace = Path.replace

    def look(unfinished: Path, finished: Path) -> Path:
        found.append(([*tmp_path.glob("*.eml")], len(folder.newest(10))))
        return replace(unfinished, finished)

    monkeypatch.setattr(Path, "replace", look)
    folder = MailFolder(tmp_path)
    envelope = Envelope()
    envelope.content, envelope.rcpt_tos = b"Subject: x\r\n\r\nx\r\n", ["wang@example.test"]
    server = SMTP(folder)
    assert await folder.handle_DATA(server, Session(server.loop), envelope) == "250 OK"
    assert found == [([], 0)]
    assert [mail.subject for mail in folder.newest(10)] == ["x"]
