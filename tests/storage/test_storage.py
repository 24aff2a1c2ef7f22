"""Every wait for a bucket ends, what passes is tried again, and what does not is told at once and in one line."""

import asyncio
import errno
import itertools
import threading
import time

import fsspec
import pytest

from couloir import storage
from couloir.errors import ConfigError
from couloir.storage import Patience, explain, is_denied, may_pass, open_place, persist, persist_async

SHORT = Patience(total_s=2, attempt_s=15)
HASTY = Patience(total_s=2, attempt_s=1)
"""For attempts that shall end by their limit; not for the first call, since to make a client may take a second."""
ONCE = Patience(total_s=0, attempt_s=15)
LONGEST = 30.0
"""What is long over on any machine, and far from forever, s."""


@pytest.fixture
def place(proxy, bucket):
    file_system, path = open_place(f"s3://{bucket}/some", proxy.options(), patience=SHORT)
    persist(file_system, "pipe_file", f"{path}/object", bytes(range(250)) * 20, patience=SHORT)
    return file_system, f"{path}/object"


def read(place, patience=SHORT, **options):
    return persist(place[0], "cat_file", place[1], start=0, end=5000, patience=patience, **options)


def exists(file_system, path, *, patience):
    try:
        persist(file_system, "info", path, patience=patience)
    except FileNotFoundError:
        return False
    return True


def error_of(call):
    began = time.monotonic()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its class is the library's
        call()
    assert time.monotonic() - began < LONGEST
    return caught.value


class TestBusy:
    @pytest.mark.parametrize("code", ["SlowDown", "ServiceUnavailable"])
    def test_a_busy_server_is_asked_again_until_it_answers(self, proxy, place, code):
        proxy.fail("busy", code=code, times=2)
        assert len(read(place)) == 5000
        assert proxy.count("GET") == 3

    def test_it_is_given_up_after_the_time_allowed_and_not_before(self, proxy, place):
        proxy.fail("busy")
        began = time.monotonic()
        error = error_of(lambda: read(place))
        assert time.monotonic() - began >= SHORT.total_s
        assert 3 <= proxy.count() <= 8
        assert may_pass(error)
        assert explain(error).startswith("the server is busy (")

    def test_pauses_grow(self, proxy, place):
        proxy.fail("busy")
        error_of(lambda: read(place))
        for k, pause in enumerate(proxy.pauses()[:-1]):
            assert pause >= 0.1 * 2**k

    def test_an_object_is_read_in_one_request(self, proxy, place):
        proxy.fail("busy", times=0)
        assert len(persist(place[0], "cat_file", place[1], patience=SHORT)) == 5000
        assert [one.method for one in proxy.seen] == ["GET"]

    def test_a_crowd_spreads_out(self):
        crowd = [list(itertools.islice(storage._pauses(Patience(total_s=1e4)), 8)) for _ in range(50)]
        for k, moment in enumerate(zip(*crowd, strict=True)):
            longest = min(0.2 * 2**k, 10)
            assert longest / 2 <= min(moment) < max(moment) <= longest
            assert len(set(moment)) > 40

    @pytest.mark.parametrize(
        ("kind", "method", "arguments"),
        [
            *(("busy", *call) for call in (("pipe_file", (b"new",)), ("info", ()), ("ls", ()), ("rm", ()))),
            *(("torn", *call) for call in (("ls", ()), ("rm", ()))),
        ],
    )
    def test_nobody_else_tries_again(self, proxy, place, kind, method, arguments):
        proxy.fail(kind)
        error_of(lambda: persist(place[0], method, place[1], *arguments, patience=ONCE))
        assert proxy.count() == 1

    @pytest.mark.parametrize("kind", ["busy", "torn"])
    def test_nobody_else_reads_again(self, proxy, place, kind):
        proxy.fail(kind)
        error_of(lambda: read(place, ONCE))
        assert proxy.count() == 1

    def test_every_third_request_failing_stops_nobody(self, proxy, place):
        proxy.fail("busy", every=3)
        for _ in range(9):
            assert len(read(place)) == 5000
        assert proxy.count() == 13


class TestBrokenConnections:
    @pytest.mark.parametrize("kind", ["cut", "torn"])
    def test_a_connection_that_breaks_is_made_again(self, proxy, place, kind):
        proxy.fail(kind, times=3)
        assert read(place) == bytes(range(250)) * 20

    @pytest.mark.parametrize(("kind", "told"), [("cut", "cannot be reached"), ("torn", "the answer broke off")])
    def test_one_that_always_breaks_ends(self, proxy, place, kind, told):
        proxy.fail(kind)
        error = error_of(lambda: read(place))
        assert may_pass(error)
        assert told in explain(error)

    def test_what_is_written_over_a_breaking_connection_is_whole(self, proxy, place, s3, bucket):
        proxy.fail("cut", methods=("PUT",), times=3)
        persist(place[0], "pipe_file", f"{bucket}/written", b"x" * 70_000, patience=SHORT)
        assert s3.keys(bucket, "written") == {"written": 70_000}


class TestSilence:
    @pytest.mark.parametrize("kind", ["silent", "drip"])
    def test_it_ends_by_the_limit_of_an_attempt(self, proxy, place, kind):
        proxy.fail(kind)
        error = error_of(lambda: read(place, HASTY))
        assert 2 <= proxy.count() <= 4
        assert min(proxy.pauses()) >= HASTY.attempt_s
        assert explain(error) == "no answer in time"

    @pytest.mark.parametrize("kind", ["silent", "drip"])
    def test_one_lost_answer_costs_one_attempt(self, proxy, place, kind):
        proxy.fail(kind, times=1)
        assert len(read(place, HASTY)) == 5000
        assert proxy.count() == 2

    def test_a_slow_answer_is_waited_for(self, proxy, place):
        proxy.fail("slow", seconds=1)
        assert len(read(place, Patience(total_s=0, attempt_s=5))) == 5000
        assert proxy.count() == 1

    def test_what_is_large_has_longer(self, proxy, place):
        proxy.fail("slow", seconds=1.5)
        assert len(read(place, Patience(total_s=0, attempt_s=0.5), size=10_000_000)) == 5000

    def test_attempts_given_up_give_their_connections_back(self, proxy, bucket):
        options = proxy.options(config_kwargs={"max_pool_connections": 2})
        file_system, path = open_place(f"s3://{bucket}", options, patience=SHORT)
        persist(file_system, "pipe_file", f"{path}/object", b"x" * 5000, patience=SHORT)
        for kind in ("silent", "drip"):
            proxy.fail(kind)
            for _ in range(3):
                error_of(lambda: read((file_system, f"{path}/object"), Patience(total_s=0, attempt_s=0.5)))
        proxy.mend()
        assert len(read((file_system, f"{path}/object"))) == 5000

    def test_a_large_object_given_up_leaves_no_parts_behind(self, proxy, place, s3, bucket):
        proxy.fail("busy", methods=("PUT", "POST"), times=1)
        data = bytes(101 * 2**20)  # s3fs would send more than 100 MiB in parts
        persist(place[0], "pipe_file", f"{bucket}/large", data, patience=SHORT, size=len(data))
        assert s3.keys(bucket, "large") == {"large": len(data)}
        assert proxy.count("POST") == 0
        assert "UploadId" not in s3.aws("s3api", "list-multipart-uploads", "--bucket", bucket).stdout

    def test_a_call_that_does_not_let_go_is_left_behind(self):
        class Deaf:
            async_impl = True
            loop = fsspec.asyn.get_loop()

            async def _cat_file(self):
                for _ in range(100):
                    try:
                        await asyncio.sleep(0.1)
                    except asyncio.CancelledError:
                        continue

        began = time.monotonic()
        with pytest.raises(TimeoutError):
            persist(Deaf(), "cat_file", patience=Patience(total_s=0.2, attempt_s=0.2))
        assert time.monotonic() - began < 8

    def test_a_crowd_of_readers_outlives_a_silent_server(self, proxy, bucket):
        async def crowd():
            file_system, path = open_place(f"s3://{bucket}", proxy.options(), patience=SHORT, asynchronous=True)
            await persist_async(lambda: file_system._pipe_file(f"{path}/a", b"hello"), patience=SHORT)
            proxy.fail("silent", times=20)
            patient = Patience(total_s=10, attempt_s=1)
            read = [persist_async(lambda: file_system._cat_file(f"{path}/a"), patience=patient) for _ in range(30)]
            found = await asyncio.gather(*read)
            await file_system._s3.close()
            return found

        assert asyncio.run(crowd()) == [b"hello"] * 30


class TestServerAway:
    def test_work_goes_on_when_it_is_back(self, s3, bucket):
        file_system, path = open_place(f"s3://{bucket}", s3.options())
        persist(file_system, "pipe_file", f"{path}/kept", b"kept", patience=SHORT)
        s3.kill()
        starter = threading.Timer(1, s3.start)
        starter.start()
        try:
            found = persist(file_system, "cat_file", f"{path}/kept", patience=Patience(total_s=60, attempt_s=10))
        finally:
            starter.join()
        assert found == b"kept"

    def test_without_it_the_error_says_so_in_bounded_time(self, s3, bucket):
        file_system, path = open_place(f"s3://{bucket}", s3.options())
        s3.kill()
        try:
            error = error_of(lambda: persist(file_system, "cat_file", f"{path}/x", patience=SHORT))
            away = error_of(lambda: exists(file_system, path, patience=SHORT))
        finally:
            s3.start()
        for one in (error, away):
            assert may_pass(one)
            assert explain(one).startswith("the server cannot be reached (")
            assert s3.endpoint in explain(one)

    def test_a_frozen_server_ends_by_the_limit_and_is_used_again(self, s3, bucket):
        file_system, path = open_place(f"s3://{bucket}", s3.options(), patience=SHORT)
        persist(file_system, "pipe_file", f"{path}/kept", b"kept", patience=SHORT)
        s3.freeze(frozen=True)
        try:
            error = error_of(lambda: persist(file_system, "cat_file", f"{path}/kept", patience=HASTY))
        finally:
            s3.freeze(frozen=False)
        assert explain(error) == "no answer in time"
        assert persist(file_system, "cat_file", f"{path}/kept", patience=SHORT) == b"kept"

    def test_a_server_that_has_no_address_is_told_at_once(self, bucket):
        options = {"endpoint_url": "http://no.such.server.invalid"}
        file_system, path = open_place(f"s3://{bucket}", options)
        error = error_of(lambda: persist(file_system, "cat_file", f"{path}/x", patience=Patience()))
        assert not may_pass(error)
        assert "no.such.server.invalid" in explain(error)

    def test_a_server_without_tls_is_told_at_once(self, s3, bucket):
        options = {"endpoint_url": s3.endpoint.replace("http:", "https:")}
        file_system, path = open_place(f"s3://{bucket}", options)
        error = error_of(lambda: persist(file_system, "cat_file", f"{path}/x", patience=Patience()))
        assert not may_pass(error)
        assert "certificate" in explain(error)


class TestFinal:
    """What will not go well another time is asked once."""

    def once(self, proxy, call):
        proxy.fail("busy", times=0)
        error = error_of(call)
        assert not may_pass(error)
        assert proxy.count() == 1
        assert "\n" not in explain(error)
        return error

    def test_a_missing_object(self, proxy, place):
        error = self.once(proxy, lambda: read((place[0], place[1] + "-not")))
        assert isinstance(error, FileNotFoundError)
        assert not is_denied(error)

    def test_a_missing_bucket(self, proxy, place):
        error = self.once(proxy, lambda: read((place[0], "no-such-bucket/x")))
        assert explain(error) == "the bucket does not exist"

    @pytest.mark.parametrize(
        ("name", "value"), [("AWS_ACCESS_KEY_ID", "somebodyelse"), ("AWS_SECRET_ACCESS_KEY", "some/thing+else")]
    )
    def test_wrong_keys(self, proxy, bucket, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        file_system, path = open_place(f"s3://{bucket}", proxy.options(), patience=SHORT)
        error = self.once(proxy, lambda: persist(file_system, "ls", path, patience=SHORT))
        assert is_denied(error)
        assert explain(error).startswith("the credentials are refused (")
        assert value not in explain(error)

    def test_access_denied(self, proxy, place, bucket):
        anonymous, _ = open_place(f"s3://{bucket}", proxy.options(anon=True), patience=SHORT)
        error = self.once(proxy, lambda: read((anonymous, place[1])))
        assert is_denied(error)
        assert "check the credentials and permissions" in explain(error)

    def test_no_credentials(self, proxy, bucket, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        file_system, path = open_place(f"s3://{bucket}", proxy.options(), patience=SHORT)
        error = error_of(lambda: persist(file_system, "ls", path, patience=SHORT))
        assert not may_pass(error)
        for remedy in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "{profile: ...}", "{anon: true}"):
            assert remedy in explain(error)

    @pytest.mark.parametrize(
        ("status", "code", "told"),
        [
            (400, "ExpiredToken", "have expired"),
            (403, "RequestTimeTooSkewed", "set the clock"),
            (400, "AuthorizationHeaderMalformed", "AWS_DEFAULT_REGION"),
            (400, "InvalidToken", "refused"),
            (501, "NotImplemented", "NotImplemented"),
        ],
    )
    def test_other_refusals(self, proxy, place, status, code, told):
        proxy.fail("busy", status=status, code=code)
        error = error_of(lambda: persist(place[0], "ls", place[1], patience=SHORT))
        assert not may_pass(error)
        assert told in explain(error)
        assert proxy.count() == 1


class TestExists:
    def test_it_tells_objects_folders_and_neither(self, place):
        file_system, path = place
        for name in (path, path.rpartition("/")[0], path.split("/")[0]):
            assert exists(file_system, name, patience=SHORT)
        assert not exists(file_system, path + "/not", patience=SHORT)
        assert not exists(file_system, path[:-1], patience=SHORT)

    def test_a_busy_server_is_not_taken_for_no(self, proxy, place):
        proxy.fail("busy")
        for name in (place[1], place[1].split("/")[0]):
            assert may_pass(error_of(lambda name=name: exists(place[0], name, patience=ONCE)))


class TestOtherFileSystems:
    def test_files_and_memory(self, tmp_path):
        for url in (str(tmp_path), f"file://{tmp_path}", "memory://somewhere"):
            file_system, path = open_place(url, {})
            persist(file_system, "pipe_file", f"{path}/x", b"hello", patience=SHORT)
            assert persist(file_system, "cat_file", f"{path}/x", start=1, end=3, patience=SHORT) == b"el"
            assert exists(file_system, f"{path}/x", patience=SHORT)
            assert not exists(file_system, f"{path}/y", patience=SHORT)

    def test_one_that_is_not_asynchronous_is_asked_again_likewise(self):
        class Flaky:
            async_impl = False
            calls = 0

            def cat_file(self, path, *, start):
                self.calls += 1
                if self.calls < 3:
                    raise OSError(errno.ESTALE, "Stale file handle")
                return path, start

        flaky = Flaky()
        assert persist(flaky, "cat_file", "x", start=3, patience=SHORT) == ("x", 3)
        assert flaky.calls == 3

    @pytest.mark.parametrize(
        ("number", "told"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "read-only"), (errno.EACCES, "denied")]
    )
    def test_a_disk_that_will_not_is_told_at_once(self, number, told):
        class Full:
            async_impl = False
            calls = 0

            def pipe_file(self):
                self.calls += 1
                raise OSError(number, "it will not")

        full = Full()
        error = error_of(lambda: persist(full, "pipe_file", patience=SHORT))
        assert full.calls == 1
        assert told in explain(error)

    @pytest.mark.parametrize(("status", "passes"), [(503, True), (429, True), (404, False), (403, False)])
    def test_errors_of_other_clients_are_judged_by_their_status(self, status, passes):
        class RefusedError(Exception):
            pass

        error = RefusedError()
        error.status = status
        assert may_pass(error) is passes
        assert is_denied(error) is (status == 403)


class TestOpening:
    @pytest.mark.parametrize(
        ("url", "options", "told"),
        [
            ("foo://x/y", {}, "Protocol not known: foo. Use a path, s3://bucket/prefix"),
            ("s3://b/x", {"profile": "nobody"}, "(nobody) could not be found. Check AWS_PROFILE"),
            ("s3://b/x", {"endpointurl": "http://x"}, "'endpointurl'. Check storage_options: endpoint_url"),
            ("s3://b/x", {"endpoint_url": "localhost:9000"}, "'localhost:9000': expected a whole URL"),
        ],
    )
    def test_what_cannot_be_opened_is_told_with_what_to_do(self, s3, url, options, told):
        with pytest.raises(ConfigError) as caught:
            open_place(url, options)
        assert told in str(caught.value)

    def test_a_wrong_profile_in_the_environment_too(self, s3, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(ConfigError, match="Check AWS_PROFILE"):
            open_place("s3://b/x", {})

    def test_a_package_that_is_missing_is_named(self, monkeypatch):
        def absent(*_, **__):
            raise ImportError("Please install gcsfs to access Google Storage")

        monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
        with pytest.raises(ConfigError, match=r"install gcsfs .* the workers'"):
            open_place("gs://bucket/x", {})

    def test_listings_are_fresh(self, place, s3, bucket):
        file_system, path = place
        folder = path.rpartition("/")[0]
        assert len(persist(file_system, "ls", folder, patience=SHORT)) == 1
        s3.aws("s3api", "put-object", "--bucket", bucket, "--key", "some/other")
        assert len(persist(file_system, "ls", folder, patience=SHORT)) == 2

    def test_the_server_may_be_named_by_the_environment(self, s3, bucket, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
        file_system, path = open_place(f"s3://{bucket}", {})
        persist(file_system, "pipe_file", f"{path}/x", b"hello", patience=SHORT)
        assert s3.keys(bucket) == {"x": 5}
