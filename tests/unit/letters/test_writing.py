"""What a letter says, and that nobody else says something in it."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, get_args

import pytest

from runwright.letters.placeholders import text_of
from runwright.letters.sealed import letter_job
from runwright.letters.ways import Sender, Way
from runwright.letters.words import WORDS
from runwright.letters.writing import CannotWrite, write
from runwright.model.identity import Project
from runwright.model.mail import MailTemplate
from runwright.ports.carrier import Parcel, Relay
from runwright.ports.mailer import Letter, Occasion

NOW = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
FOLDER = Way(sender=Sender(email="no-reply@shop.example", name="Shop, Inc."))
SHOP = Project(id="shop", created_at=NOW, updated_at=NOW, name="The <Shop>", team_id="org")
LINK = "https://app.example.com/join?userId=u1&secret=s3cret"


def a_letter(occasion: Occasion = "recovery", **changes: Any) -> Letter:
    values: dict[str, Any] = {
        "occasion": occasion,
        "kind": "email",
        "to": "ann@example.com",
        "name": "Ann",
        "facts": (("url", LINK),),
    }
    return Letter(**(values | changes))


def written(letter: Letter, way: Way = FOLDER, template: MailTemplate | None = None) -> Parcel:
    return write(letter, way, letter_job("j1", "shop", letter, NOW), SHOP, template)


def read(parcel: Parcel) -> EmailMessage:
    message = message_from_bytes(parcel.message, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None, subtype
    return str(part.get_content()).replace("\r\n", "\n")


def a_template(**changes: Any) -> MailTemplate:
    values: dict[str, Any] = {"occasion": "recovery", "locale": "en"}
    return MailTemplate(
        id="recovery-en", project_id="shop", created_at=NOW, updated_at=NOW, **(values | changes)
    )


def test_a_letter_has_a_link_in_both_forms_and_says_who_it_is_for() -> None:
    message = read(written(a_letter()))
    assert message["From"] == '"Shop, Inc." <no-reply@shop.example>'
    assert message["To"] == "Ann <ann@example.com>"
    assert message["Subject"] == "Set a new password for The <Shop>"
    assert message["Message-ID"] == "<j1@shop.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    text, page = body(message, "plain"), body(message, "html")
    assert text.startswith("Hello Ann,\n")
    assert f"\n{LINK}\n" in text
    escaped = LINK.replace("&", "&amp;")
    assert f'<a href="{escaped}">{escaped}</a>' in page


def test_nobody_writes_html_by_a_name() -> None:
    letter = a_letter(
        "invitation",
        name="<b>Ann</b>",
        facts=(("url", LINK), ("owner", "<script>"), ("team", "\"'>&")),
    )
    page = body(read(written(letter)), "html")
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page
    assert "&lt;script&gt; invites you to the team &quot;&#x27;&gt;&amp; of" in page
    assert "<script" not in page


def test_nobody_writes_a_header_by_a_name() -> None:
    evil = "x\r\nBcc: everybody@example.com\r\n\r\nBuy!"
    letter = a_letter("invitation", name=evil, facts=(("owner", evil), ("team", evil)))
    message = read(written(letter))
    assert message["Bcc"] is None
    assert message["Subject"].count("\n") == 0
    assert [address.addr_spec for address in message["To"].addresses] == ["ann@example.com"]


def test_an_address_with_a_line_end_is_no_mail() -> None:
    with pytest.raises(CannotWrite) as caught:
        written(a_letter(to="ann@example.com\r\nBcc: bob@example.com"))
    assert "example.com" not in str(caught.value)


def test_a_paragraph_without_its_value_is_left_out() -> None:
    plain = body(read(written(a_letter("magicSession"))), "plain")
    with_phrase = a_letter("magicSession", facts=(("url", LINK), ("phrase", "Golden Fox")))
    assert "Security phrase" not in plain
    assert "Security phrase: Golden Fox." in body(read(written(with_phrase)), "plain")


@pytest.mark.parametrize("occasion", get_args(Occasion))
def test_every_occasion_has_words_that_leave_no_placeholder(occasion: Occasion) -> None:
    names = ("url", "otp", "phrase", "owner", "team", "webhook", "attempts", "ipAddress", "date")
    facts = tuple((name, f"<{name}>") for name in names)
    message = read(written(a_letter(occasion, facts=facts)))
    assert "{{" not in message["Subject"] + body(message, "plain") + body(message, "html")
    assert set(WORDS) == set(get_args(Occasion))


def test_words_of_a_project_replace_ours_and_values_in_them_stay_values() -> None:
    template = a_template(
        subject="Hi {{user}}\nBcc: x@example.com",
        message="<style>p {}</style><p>Dear {{ user }},</p><a href='{{redirect}}'>go</a>",
        sender_name="Boss",
        sender_email="boss@shop.example",
        reply_to_email="help@shop.example",
    )
    letter = a_letter(name="<i>Ann")
    message = read(written(letter, template=template))
    assert message["Subject"] == "Hi <i>Ann Bcc: x@example.com"
    assert message["From"] == "Boss <boss@shop.example>"
    assert message["Reply-To"] == "help@shop.example"
    assert "<p>Dear &lt;i&gt;Ann,</p>" in body(message, "html")
    assert body(message, "plain") == "Dear <i>Ann,\ngo\n"


def test_plain_words_of_a_project_are_sent_as_text_alone() -> None:
    message = read(written(a_letter(), template=a_template(message="{{user}}: {{redirect}}")))
    assert message.get_content_type() == "text/plain"
    assert body(message, "plain") == f"Ann: {LINK}\n"


def test_a_text_message_is_one_line_to_a_number() -> None:
    letter = a_letter("otpSession", kind="sms", to="+14155552671", facts=(("otp", "123456"),))
    message = read(written(letter))
    assert message["X-Runwright-Phone"] == "+14155552671"
    assert body(message, "plain") == "123456 is your code for The <Shop>.\n"


def test_marks_of_the_folder_do_not_leave_the_machine() -> None:
    sent = Way(sender=FOLDER.sender, relay=Relay(host="mail.example.com", port=25))
    assert read(written(a_letter()))["X-Runwright-Project"] == "shop"
    assert not [name for name in read(written(a_letter(), sent)) if name.startswith("X-")]


def test_a_page_that_never_closes_its_tags_takes_no_time() -> None:
    assert text_of("a<style>" * 200_000) == "a"
    assert text_of("<p>one</p><p>two<br>three &amp; four</p>") == "one\ntwo\nthree & four"
    assert len(text_of("<" * 500_000)) == 500_000
