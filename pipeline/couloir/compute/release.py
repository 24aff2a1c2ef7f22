"""Let a job of Kubernetes begin that was made to wait: from a pod, by the right that its service account has."""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from couloir.errors import ClusterError, LostClusterError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, its namespace, and the certificate of those it speaks with."""
_ATTEMPT_S = 15.0
_PAUSE_S = 2.0
_ANOTHER_TIME = (408, 409, 429)
"""Answers that may be others a moment later: too slow, in conflict, too many requests."""


def release(job: str, *, account: Path = ACCOUNT, patience_s: float = 120.0) -> None:
    """Set a job's `parallelism` to 1; one that has begun already goes on.

    Parameters
    ----------
    job : str
        Name of the job, in the pod's namespace.
    account : Path
        Folder with ``token``, ``namespace`` and ``ca.crt``.
    patience_s : float
        How long it is tried when Kubernetes does not answer, s.

    Raises
    ------
    ClusterError
        When this is no pod with a token, or Kubernetes refuses.
    LostClusterError
        When Kubernetes does not answer.
    """
    request, context = _request(job, account)
    end = time.monotonic() + patience_s
    while True:
        try:
            urllib.request.urlopen(request, context=context, timeout=_ATTEMPT_S).close()  # noqa: S310 - https
            return
        except urllib.error.HTTPError as error:
            told = _told(error)
            if error.code < 500 and error.code not in _ANOTHER_TIME:
                raise ClusterError(f"Kubernetes does not let job {job} begin: {told}") from error
        except OSError as error:
            told = str(getattr(error, "reason", error))
        if time.monotonic() > end:
            raise LostClusterError(f"Kubernetes does not answer, so that job {job} does not begin: {told}")
        time.sleep(_PAUSE_S)


def _request(job: str, account: Path) -> tuple[urllib.request.Request, ssl.SSLContext]:
    try:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        token, namespace = ((account / name).read_text().strip() for name in ("token", "namespace"))
        context = ssl.create_default_context(cafile=str(account / "ca.crt"))
    except (KeyError, OSError) as error:
        raise ClusterError(
            f"job {job} can only be let begin by a pod that has the token of its run's service account"
        ) from error
    # Certificates of many a cluster lack what Python 3.13 asks for beside a valid signature.
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    host = f"[{host}]" if ":" in host else host
    return urllib.request.Request(
        f"https://{host}:{port}/apis/batch/v1/namespaces/{namespace}/jobs/{job}",
        method="PATCH",
        data=json.dumps({"spec": {"parallelism": 1}}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
    ), context


def _told(error: urllib.error.HTTPError) -> str:
    """Give the sentence of Kubernetes' answer."""
    try:
        return str(json.loads(error.read())["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.code} {error.reason}"
