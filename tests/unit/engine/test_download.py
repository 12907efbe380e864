"""Whatever goes wrong at one mirror, the next is asked; and no word of a password is shown."""

import base64
import gzip
import hashlib
import http.server
import logging
import os
import socket
import threading
import time

import pytest

from engine import download
from engine.download import fetch
from engine.errors import UserError

FILES = {"images.gz": bytes(range(256)) * 400, "labels.gz": b"labels" * 1000}
SUMS = {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}


@pytest.fixture
def good(tmp_path):
    folder = tmp_path / "good"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return str(folder)


@pytest.fixture
def resources(tmp_path):
    return tmp_path / "resources"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server():
    """Starts a server whose GET is the function that is given; the answer is its address, host:port."""
    servers = []

    def start(get) -> str:
        handler = type(
            "Handler", (http.server.BaseHTTPRequestHandler,), {"do_GET": get, "log_message": lambda *_: None}
        )
        one = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=one.serve_forever, daemon=True).start()
        servers.append(one)
        return f"127.0.0.1:{one.server_port}"

    yield start
    for one in servers:
        one.shutdown()
        one.server_close()


def send(request, content: bytes, status: int = 200, **headers: str) -> None:
    request.send_response(status)
    for name, value in ({"Content-Length": str(len(content))} | headers).items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content)


def whole(request):
    send(request, FILES[request.path.rsplit("/", 1)[1]])


def dropped(request):
    send(request, b"abc", Content_Length="100000")


def dropped_in_a_chunk(request):
    request.protocol_version = "HTTP/1.1"
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"ffff\r\nabc")
    request.close_connection = True


def refused(request):
    send(request, b"go away", status=403)


def in_circles(request):
    send(request, b"", status=302, Location=request.path)


def to_nowhere(request):
    send(request, b"", status=302, Location="http://nowhere.invalid/\xe9")


def to_a_local_file(request):
    send(request, b"", status=302, Location="file:///etc/passwd")


def a_login_page(request):
    send(request, b"<html>Welcome to the hotel")


def no_http(request):
    request.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    request.close_connection = True


def nonsense(request):
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n" + b"X: y\r\n" * 200 + b"\r\n")
    request.close_connection = True


BAD = [dropped, dropped_in_a_chunk, refused, in_circles, to_nowhere, to_a_local_file, a_login_page, no_http, nonsense]


@pytest.mark.parametrize("get", BAD)
def test_the_next_mirror_is_asked_and_at_the_end_all_are_listed(server, good, resources, get):
    bad = f"http://{server(get)}/mnist"
    fetch(SUMS, resources, [bad, good])
    assert {file.name: file.read_bytes() for file in resources.iterdir()} == FILES
    with pytest.raises(UserError, match=rf"{bad}: \S.*; /nowhere: .*No such file.*name a folder"):
        fetch(SUMS, resources, [bad, "/nowhere"])


@pytest.mark.parametrize(
    "bad",
    [
        "http://127.0.0.1:9/donnée",
        "http://données.invalid/",
        "https://127.0.0.1:9",
        "http://[::1/",
        "http://host:port/",
        "http://",
        "http:// /",
        "http://a\nb/",
        "ssh://host/mnist",
        "://",
        "",
        "~nobody-of-this-name/mnist",
        "a\0b",
        "/etc/passwd",
        "x" * 5000,
    ],
)  # fmt: skip
def test_no_address_however_odd_keeps_the_next_mirror_from_being_asked(good, resources, bad):
    fetch(SUMS, resources, [bad, good])
    assert len(list(resources.iterdir())) == 2


def test_tls_that_is_not_trusted_is_not_followed_by_a_request_without_it(server, good, resources):
    asked = []
    address = server(lambda request: asked.append(request.path) or whole(request))
    with pytest.raises(UserError, match=r"SSL"):
        fetch(SUMS, resources, [f"https://{address}/mnist"])
    assert asked == []


def test_what_one_mirror_lacks_comes_from_the_next(server, good, resources):
    def half(request):
        whole(request) if request.path.endswith("images.gz") else refused(request)

    asked = []
    rest = server(lambda request: asked.append(request.path) or whole(request))
    fetch(SUMS, resources, [f"http://{server(half)}", f"http://{rest}/a%20b/donnée/"])
    assert asked == ["/a%20b/donn%C3%A9e/labels.gz"]


def drip(request):
    request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(200):
        request.wfile.write(b"x")
        time.sleep(0.05)


def drip_of_headers(request):
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for n in range(200):
        request.wfile.write(f"X-{n}: y\r\n".encode())
        time.sleep(0.05)


@pytest.mark.parametrize("get", [drip, drip_of_headers])
def test_a_slow_drip_is_cut_off(server, good, resources, monkeypatch, get):
    monkeypatch.setattr(download, "SECONDS_WITHOUT_ANSWER", 0.5)
    start = time.monotonic()
    fetch(SUMS, resources, [f"http://{server(get)}", good])
    assert time.monotonic() - start < 3


def test_a_fifo_that_nobody_writes_to_is_cut_off(tmp_path, good, resources, monkeypatch):
    """As a folder on a file server that has died: opening a file there never ends."""
    monkeypatch.setattr(download, "SECONDS_WITHOUT_ANSWER", 0.3)
    os.mkfifo(tmp_path / "images.gz")
    fetch(SUMS, resources, [str(tmp_path), good])


def test_what_does_not_end_is_cut_off(server, resources, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 10**6)

    def endless(request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                request.wfile.write(bytes(10**5))
        except OSError:
            pass

    with pytest.raises(UserError, match=r"does not end after 1,000,000 bytes"):
        fetch(SUMS, resources, [f"http://{server(endless)}"])


def protected(request):
    login = base64.b64encode(b"zoe:s3cr%t/@ x").decode()
    if request.headers["Authorization"] == f"Basic {login}":
        whole(request)
    else:
        send(request, b"", status=401, WWW_Authenticate='Basic realm="mnist"')


def test_a_name_and_password_open_their_server_and_are_sent_to_no_other(server, resources, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    fetch(SUMS, resources, [f"http://zoe:s3cr%25t%2F%40%20x@{server(protected)}/mnist"])
    assert len(list(resources.iterdir())) == 2
    monkeypatch.setenv("LOGIN", "zoe:s3cr%25t%2F%40%20x")
    fetch(SUMS, resources, [f"http://$LOGIN@{server(protected)}/mnist"])
    seen = []
    other = server(lambda request: seen.append(request.headers["Authorization"]) or whole(request))
    moved = server(lambda request: send(request, b"", status=302, Location=f"http://{other}{request.path}"))
    fetch(SUMS, resources, [f"http://zoe:s3cr%25t@{moved}/mnist"])
    assert seen == [None, None]
    assert "s3cr" not in caplog.text and "zoe" not in caplog.text and f"http://***@{moved}/mnist" in caplog.text


SECRETS = ("t0psecret", "Zoë", "zoe", "sw0rd")


@pytest.mark.parametrize(
    "address",
    [
        "http://zoe:t0psecret@127.0.0.1:9/m",
        "https://zoe:t0psecret@127.0.0.1:9/m",
        "http://zoe:t0psecret@host.invalid/m",
        "http://zoe:t0psecret/sw0rd@127.0.0.1:9/m",
        "http://zoe:t0psecret@sw0rd@127.0.0.1:9",
        "http://zoe:t0psecret sw0rd@127.0.0.1:9",
        "http://Zoë:t0psecret@127.0.0.1:9/m",
        "http://zoe:t0psecret?sw0rd@127.0.0.1:9",
        "http://zoe:t0psecret#@127.0.0.1:9/m",
        "http://zoe:t0psecret@[::1/m",
        "http://zoe:t0psecret@127.0.0.1:port/",
        "ftp://zoe:t0psecret@127.0.0.1:9/m",
        "odd://zoe:t0psecret@h/m",
        "http://127.0.0.1:9/m?signature=t0psecret",
        "http://t0psecret@127.0.0.1:9",
        "HTTP://zoe:t0psecret\nsw0rd@127.0.0.1:9/",
        "http:/zoe:t0psecret@127.0.0.1:9/m",
        "zoe:t0psecret@127.0.0.1:9/m",
        "zoe:t0psecret sw0rd@127.0.0.1:/m",
        "http://127.0.0.1:t0psecret/m",
        "http://127.0.0.1:9/m#token=t0psecret",
        "http://127.0.0.1:9/m;token=t0psecret",
        "http://127.0.0.1:9/m?a='t0psecret'&z=\"sw0rd\"",
        "http://127.0.0.1:9/m?a=(t0psecret),sw0rd",
        "http://127.0.0.1:9/m?a=@t0psecret&b=sw0rd",
        "http://127.0.0.1:9/m?a=t0psecret sw0rd",
        "http://127.0.0.1:9/m#a@t0psecret;sw0rd?Zoë zoe",
        "http://127.0.0.1:9/$TOKEN/m",
        "http://127.0.0.1:9/${TOKEN} x/m",
        "$ADDRESS",
        "http://usr:pa$t0psecret@127.0.0.1:9/m",
        "http://usr:pa${t0psecret}@127.0.0.1:9/m",
        "http://127.0.0.1:9/m?sig=ab$t0psecret",
    ],
)  # fmt: skip
def test_secrets_are_not_shown(resources, caplog, monkeypatch, address):
    monkeypatch.setenv("TOKEN", "t0psecret")
    monkeypatch.setenv("ADDRESS", "http://127.0.0.1:9/t0psecret sw0rd/m")
    with pytest.raises(UserError) as error:
        fetch(SUMS, resources, [address])
    for secret in SECRETS:
        assert secret not in caplog.text + str(error.value)


def test_a_server_that_repeats_what_it_was_sent_gives_no_secret_away(server, resources, caplog, monkeypatch):
    monkeypatch.setenv("TOKEN", "t0psecret")

    def repeated(request):
        request.send_response(403, f"{request.path} {request.headers['Authorization']}")
        request.end_headers()

    def refused(request):
        request.send_response(502, f"bad {request.headers['Proxy-Authorization']}")
        request.end_headers()

    monkeypatch.delenv("no_proxy")
    addresses = [f"http://zoe:t0psecret@{server(repeated)}/m", f"http://{server(repeated)}/$TOKEN/m"]
    addresses.append(f"http://zoe:%740psecret@{server(repeated)}/m")  # sent as t0psecret
    for address in [*addresses, "http://mirror.example/m"]:
        if address not in addresses:
            monkeypatch.setenv("http_proxy", f"http://zoe:t0psecret@{server(refused)}")
        with pytest.raises(UserError) as error:
            fetch(SUMS, resources, [address])
        said = caplog.text + str(error.value)
        assert (
            ("403" in said or "502" in said)
            and "t0psecret" not in said
            and base64.b64encode(b"zoe:t0psecret").decode() not in said
        )


@pytest.mark.parametrize(
    "place",
    [
        "http://zoe:t0psecret@h/x?key=t0psecret",
        "foo://zoe:t0psecret@h/ x?key=t0psecret",
        "http://h:t0psecret/x#t0psecret",
    ],
)
def test_a_server_that_sends_on_to_an_address_with_a_secret_does_not_show_it(server, resources, caplog, place):
    moved = server(lambda request: send(request, b"", status=302, Location=place))
    with pytest.raises(UserError) as error:
        fetch(SUMS, resources, [f"http://{moved}/m"])
    assert "t0psecret" not in caplog.text + str(error.value) and "zoe" not in caplog.text + str(error.value)


def test_a_proxy_and_a_variable_that_is_not_set_are_told_as_the_causes(resources, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://zoe:t0psecret@127.0.0.1:1")
    monkeypatch.delenv("no_proxy")
    with pytest.raises(UserError) as error:
        fetch(SUMS, resources, ["http://mirror.example/m", "$UNSET_MIRROR/m", "${UNSET_MIRROR}"])
    said = str(error.value)
    assert "refused>, through the proxy http://***@127.0.0.1:1 of the environment" in said and "t0psecret" not in said
    assert said.count("the environment has no variable UNSET_MIRROR") == 2


@pytest.mark.parametrize("proxy", ["zoe:t0psecret", "127.0.0.1:t0psecret", "127.0.0.1:1/?k=A,x=t0psecret"])
def test_no_secret_of_a_malformed_proxy_is_shown(resources, caplog, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy")
    with pytest.raises(UserError, match=r"through the proxy .*\*\*\* of the environment") as error:
        fetch(SUMS, resources, ["http://mirror.example/m"])
    assert "t0psecret" not in caplog.text + str(error.value)


def test_what_a_server_encoded_on_top_is_told(server, resources):
    twice = server(lambda request: send(request, gzip.compress(b"x"), Content_Encoding="gzip"))
    with pytest.raises(UserError, match=r"another MD5 sum than .*; the server says that it encoded them, as 'gzip'"):
        fetch(SUMS, resources, [f"http://{twice}/m"])


def test_a_mirror_that_a_variable_holds_is_named_by_its_server(server, resources, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    place = server(whole)
    monkeypatch.setenv("MIRROR", f"http://{place}/images/truncated")
    fetch(SUMS, resources, ["$MIRROR"])
    assert f"all files came from $MIRROR, at http://{place}" in caplog.text
    bad = server(lambda request: send(request, b"other"))
    monkeypatch.setenv("MIRROR", f"http://{bad}/images/truncated")
    with pytest.raises(UserError, match=r"images\.gz is truncated or altered"):
        fetch(SUMS, resources, ["$MIRROR"])


def test_a_login_may_stand_in_a_variable_within_the_variable_of_make(server, resources, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("LOGIN", "zoe:s3cr%25t%2F%40%20x")
    monkeypatch.setenv("MNIST", f"http://$LOGIN@{server(protected)}/mnist")
    fetch(SUMS, resources, ["$MNIST"])
    assert len(list(resources.iterdir())) == 2 and "s3cr" not in caplog.text and "zoe" not in caplog.text
    monkeypatch.delenv("LOGIN")
    with pytest.raises(UserError, match="the environment has no variable by a name that stands in it"):
        fetch(SUMS, resources, ["$MNIST"])


@pytest.mark.parametrize("address", ["http://zoe:t0p/sw0rd@127.0.0.1:9/m", "https://zoe:t0p/sw0rd@host.invalid/m"])
def test_a_password_that_ends_the_address_of_its_server_is_told(resources, address):
    with pytest.raises(UserError, match=r"its name or password has a `/`.*write %2F") as error:
        fetch(SUMS, resources, [address])
    assert "t0p" not in str(error.value) and "sw0rd" not in str(error.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/@me/m", "http://[::1]:9/a@b", "http://localhost/x:y@z"])
def test_a_path_may_have_the_sign_of_a_login(resources, address):
    with pytest.raises(UserError) as error:
        fetch(SUMS, resources, [address])
    assert "password" not in str(error.value)


def test_an_error_of_the_local_disk_is_no_fault_of_a_mirror(good, resources):
    resources.write_text("a file where the folder should be")
    with pytest.raises(OSError) as error:
        fetch(SUMS, resources, [good])
    assert error.value.filename == str(resources)


def test_what_a_killed_job_left_is_removed(good, resources):
    resources.mkdir()
    (left := resources / ".images.gz.0badf00d").write_bytes(b"half")
    os.utime(left, (time.time() - 100,) * 2)  # a fresh one may be another process's
    fetch(SUMS, resources, [good])
    assert sorted(file.name for file in resources.iterdir()) == sorted(FILES)


def test_a_server_that_never_answers_is_given_up(resources, monkeypatch):
    monkeypatch.setattr(download, "SECONDS_WITHOUT_ANSWER", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mnist"
        with pytest.raises(UserError, match=r"timed out.*connect to the internet, or name a folder"):
            fetch(SUMS, resources, [url])
