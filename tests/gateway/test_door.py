"""The HTTP door as a table: which request passes, which is refused by which check."""

import itertools

import pytest

from services.gateway.door import Bearer, Knock, Need, bearer_token, judge, need_of

OWN = "127.0.0.1:9460"
GOOD_HOSTS = (
    "127.0.0.1:9460",
    "127.0.0.1",
    "localhost:9460",
    "localhost",
    "LocalHost:80",
    "[::1]:9460",
    "localhost:1234",
)
WRONG_HOSTS = (
    (), ("",), (" ",), ("evil.example",), ("evil.example:9460",), ("127.0.0.1.evil.example",), ("evil-127.0.0.1",),
    ("localhost.",), ("localhost.evil.example:9460",), ("notlocalhost",), ("127.0.0.2:9460",), ("0.0.0.0:9460",),
    ("10.0.0.1:9460",), ("[::2]:9460",), ("::1",), ("[::ffff:127.0.0.1]:9460",), ("127.1:9460",), ("2130706433",),
    ("localhost:9460@evil.example",), ("localhost:x",), ("localhost:123456",), ("localhost\t",),
    (OWN, OWN), (OWN, "evil"),
)  # fmt: skip


def knock(
    method: str = "GET",
    target: str = "/api/v1/series",
    bearer: Bearer = Bearer.SCRIPT,
    hosts: tuple[str, ...] = (OWN,),
    origins: tuple[str, ...] = (),
    sites: tuple[str, ...] = (),
    **more: object,
) -> Knock:
    tokens = () if bearer is Bearer.NOBODY else ("Bearer x",)
    facts = {"authorizations": tokens, **more}
    return Knock(method, target, hosts, origins, sites, bearer=bearer, **facts)  # type: ignore[arg-type]


def refused_by(k: Knock) -> str:
    refusal = judge(k)
    return refusal.what if refusal else ""


def write(**more: object) -> Knock:
    facts: dict[str, object] = {
        "target": "/api/v1/settings",
        "content_type": "application/json",
        "has_body": True,
        **more,
    }
    return knock("POST", **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_every_name_of_the_loopback_passes_with_any_port(host: str) -> None:
    assert judge(knock(hosts=(host,))) is None


@pytest.mark.parametrize("hosts", WRONG_HOSTS)
def test_other_hosts_and_two_hosts_are_refused(hosts: tuple[str, ...]) -> None:
    assert refused_by(knock(hosts=hosts)) == "Host"


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (f"http://{OWN}", True),
        ("http://127.0.0.1:9461", False),
        ("http://127.0.0.1", False),
        ("http://localhost:9460", False),
        (f"https://{OWN}", False),
        (f"http://{OWN}.evil.example", False),
        (f"http://evil.example/{OWN}", False),
        (f"HTTP://{OWN}", False),
        ("null", False),
        ("", False),
    ],
)
def test_origin_is_compared_as_a_string(origin: str, passes: bool) -> None:
    for one in (
        knock(origins=(origin,)),
        write(origins=(origin,)),
        knock(target="/ws", origins=(origin,), upgrade="websocket"),
    ):
        assert (refused_by(one) != "Origin") is passes


def test_two_origins_are_refused() -> None:
    assert refused_by(knock(origins=(f"http://{OWN}", f"http://{OWN}"))) == "Origin"


def test_a_websocket_without_origin_is_refused() -> None:
    assert refused_by(knock(target="/ws?ticket=x", upgrade="WebSocket")) == "Origin"
    assert refused_by(knock(target="/ws?ticket=x")) == "Origin"


def test_a_write_without_origin_passes_with_the_api_token_alone() -> None:
    assert judge(write(bearer=Bearer.SCRIPT)) is None
    assert refused_by(write(bearer=Bearer.PAGE)) == "Origin"
    assert refused_by(write(bearer=Bearer.NOBODY)) == "Authorization"
    exchange = write(bearer=Bearer.NOBODY, target="/api/v1/session")
    assert refused_by(exchange) == "Origin"
    assert judge(write(bearer=Bearer.NOBODY, target="/api/v1/session", origins=(f"http://{OWN}",))) is None


@pytest.mark.parametrize(
    ("sites", "passes"),
    [((), True), (("same-origin",), True), (("none",), True), (("cross-site",), False), (("same-site",), False),
     (("same-origin", "same-origin"), False), (("",), False)],
)  # fmt: skip
def test_another_sites_page_may_not_ask(sites: tuple[str, ...], passes: bool) -> None:
    assert (judge(knock(sites=sites)) is None) is passes


def test_a_link_elsewhere_may_lead_to_the_page_but_to_nothing_else() -> None:
    link = {"sites": ("cross-site",), "fetch_mode": "navigate", "fetch_dest": "document", "bearer": Bearer.NOBODY}
    assert judge(knock(target="/", **link)) is None  # type: ignore[arg-type]
    assert judge(knock(target="/?x=1", **link)) is None  # type: ignore[arg-type]
    for target in ("/healthz", "/metrics", "/api/v1/series", "/main.js"):
        assert refused_by(knock(target=target, **link)) == "Sec-Fetch-Site"  # type: ignore[arg-type]
    framed = {**link, "fetch_dest": "iframe"}
    assert refused_by(knock(target="/", **framed)) == "Sec-Fetch-Site"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("GET", "/", Need.NOTHING), ("GET", "/workers/stream.js", Need.NOTHING), ("GET", "/healthz", Need.NOTHING),
        ("POST", "/api/v1/session", Need.NOTHING), ("GET", "/ws", Need.TICKET), ("GET", "/sse", Need.TICKET),
        ("GET", "/api/v1/session", Need.TOKEN), ("GET", "/metrics", Need.TOKEN), ("GET", "/metrics/x", Need.TOKEN),
        ("GET", "/api", Need.TOKEN), ("GET", "/api/v9/unknown", Need.TOKEN), ("POST", "/", Need.TOKEN),
        ("POST", "/api/v1/ticket", Need.TOKEN), ("POST", "/api/v1/code", Need.TOKEN),
    ],
)  # fmt: skip
def test_what_each_address_asks_for(method: str, path: str, need: Need) -> None:
    assert need_of(method, path) is need


def test_without_a_known_token_only_the_shell_the_exchange_and_healthz_answer() -> None:
    for path in ("/api/v1/series", "/metrics", "/api/v1/unknown"):
        assert refused_by(knock(target=path, bearer=Bearer.NOBODY)) == "Authorization"
        wrong = knock(target=path, bearer=Bearer.NOBODY, authorizations=("Bearer wrong",))
        refusal = judge(wrong)
        assert refusal is not None
        assert refusal.status == 401
        assert "not known" in refusal.why


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonp"],
)
def test_a_write_that_is_no_json_is_refused(kind: str) -> None:
    assert refused_by(write(content_type=kind)) == "Content-Type"


def test_bodies_over_a_mebibyte_and_foreign_methods_are_refused() -> None:
    assert refused_by(write(content_length=(1 << 20) + 1)) == "Content-Length"
    assert judge(write(content_length=1 << 20)) is None
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"):
        assert refused_by(knock(method)).startswith("method")
    for target in ("http://evil.example/", "*", "evil:80", ""):
        assert refused_by(knock(target=target)) == "request target"


def test_the_checks_stand_in_their_order() -> None:
    """Everything wrong at once: mending the first fault shows the second, and so on."""
    everything: dict[str, object] = {
        "hosts": ("evil.example",), "origins": ("null",), "sites": ("cross-site",), "bearer": Bearer.NOBODY,
        "content_type": "text/plain", "has_body": True,
    }  # fmt: skip
    mends: list[dict[str, object]] = [
        {"hosts": (OWN,)}, {"origins": (f"http://{OWN}",)}, {"sites": ("same-origin",)},
        {"bearer": Bearer.PAGE}, {"content_type": "application/json"},
    ]  # fmt: skip
    seen = []
    for number in range(len(mends) + 1):
        facts = dict(everything)
        for mend in mends[:number]:
            facts.update(mend)
        seen.append(refused_by(knock("POST", **facts)))  # type: ignore[arg-type]
    assert seen == ["Host", "Origin", "Sec-Fetch-Site", "Authorization", "Content-Type", ""]


def test_a_bearer_token_is_read_from_exactly_one_header() -> None:
    assert bearer_token(("Bearer abc",)) == "abc"
    assert bearer_token(("bearer abc",)) == "abc"
    for wrong in ((), ("abc",), ("Basic abc",), ("Bearer a", "Bearer a"), ("Bearer",)):
        assert bearer_token(wrong) == ""


def test_no_combination_of_a_wrong_host_passes() -> None:
    refused = 0
    for hosts, method, target in itertools.product(
        WRONG_HOSTS, ("GET", "POST"), ("/", "/ws", "/healthz", "/api/v1/series")
    ):
        refused += judge(knock(method, target, hosts=hosts, origins=tuple(f"http://{h}" for h in hosts))) is not None
    assert refused == len(WRONG_HOSTS) * 8
