"""Whether a custom tool can be one. Nothing of it is run."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from mcp_server.custom.errors import Unfit
from mcp_server.custom.names import check_name
from mcp_server.custom.parameters import checked_parameters
from mcp_server.custom.signature import function_of, signature_of
from mcp_server.sandbox import MOST_CODE, ProgramFailed, parse

__all__ = ["MOST_DESCRIPTION", "Draft", "checked"]

MOST_DESCRIPTION: Final = 1000
"""Characters of a description."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A custom tool as somebody wants it."""

    name: str
    description: str
    parameters: dict[str, Any]
    code: str


async def checked(draft: Draft, built_in: Collection[str], by: UUID) -> Draft:
    """The same with its schema as clients are to see it. Raises Unfit or NameTaken."""
    check_name(draft.name, built_in)
    _check_description(draft.description)
    parameters = checked_parameters(draft.parameters)
    await _check_code(draft.code, by)
    signature = signature_of(function_of(draft.code, draft.name))
    properties = parameters["properties"]
    if set(signature.names) != properties.keys():
        raise Unfit(
            "parameters",
            f"the function takes {_listed(signature.names)}, and the properties are {_listed(properties)}.",
        )
    wanted = signature.required | set(parameters["required"])
    required = [name for name in properties if name in wanted]
    return replace(draft, parameters=parameters | {"required": required})


def _check_description(description: str) -> None:
    if not description.strip() or len(description) > MOST_DESCRIPTION:
        raise Unfit("description", f"it has 1 to {MOST_DESCRIPTION} characters.")
    if not all(character.isprintable() or character in "\n\t" for character in description):
        raise Unfit("description", "it has invisible characters.")


async def _check_code(code: str, by: UUID) -> None:
    if not code.strip() or len(code) > MOST_CODE:
        raise Unfit("code", f"it has 1 to {MOST_CODE} characters.")
    # Python itself can keep more than UTF-8 can, and than the database.
    if "\x00" in code or not _is_unicode(code):
        raise Unfit("code", "it is not all Unicode text.")
    # First in the sandbox: what is too tangled to be read ends a process there, and not this one.
    try:
        await parse(code, by)
    except ProgramFailed as failure:
        raise Unfit("code", str(failure)) from failure


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"
