"""Places in a run file, which hold no credentials."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from couloir.config.section import SECRET


def _refuse_credentials(options: Any) -> Any:
    """Keep credentials out of what is written with the output, logged and sent to workers, however deep."""
    if isinstance(options, list | tuple):
        for value in options:
            _refuse_credentials(value)
    elif isinstance(options, dict):
        for name, value in options.items():
            if SECRET.search(str(name)):
                raise ValueError(
                    f"{name!r} is a credential and does not belong in a run file: set AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY in the environment, or name a `profile`"
                )
            _refuse_credentials(value)
    elif isinstance(options, str):
        _refuse_userinfo(options)
    return options


def _refuse_userinfo(url: str) -> str:
    # user:password@, not host:port/with@sign; a bucket has no port
    if re.search(r"://[^/@]*:(?!\d*(/|$))[^@]*@|^s3a?://[^/@]*:", url):
        raise ValueError("the URL holds a password: give credentials in the environment")
    if re.search(r"[?&](X-(Amz|Goog)-)?(Signature|Credential|sig|AWSAccessKeyId)=", url, re.IGNORECASE):
        raise ValueError("the URL is signed, and a signature is a credential: give the plain URL")
    return url


Url = Annotated[str, Field(min_length=1), AfterValidator(_refuse_userinfo)]
StorageOptions = Annotated[dict[str, Any], AfterValidator(_refuse_credentials)]
