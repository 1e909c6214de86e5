"""A conversation made at random, and what a model is to be sent of it, by a tree of the test's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from starlette.responses import Response

from tests.chat_api.branches import echo, said_to
from tests.model_server import Chat, ModelServer
from tests.servers import Person

__all__ = ["Branching"]

NO_ANSWER, DELETED = "(There was no answer.)", "(This message was deleted.)"


@dataclass(slots=True, eq=False)
class Node:
    """A message, as the tree has it; the id is what the API calls it."""

    id: str
    role: str
    content: str
    parent: "Node | None"
    deleted: bool = False

    @property
    def path(self) -> "list[Node]":
        return [*(self.parent.path if self.parent else []), self]


def told(path: list[Node]) -> Iterator[str]:
    """What a model hears of the messages on a path."""
    turns: list[list[Node]] = []
    for node in path:
        if node.role == "user":
            turns.append([])
        turns[-1].append(node)
    for user, *answers in turns:
        said = [answer.content for answer in answers if answer.content]
        if user.content or said:
            yield user.content or DELETED
            yield from said or [NO_ANSWER]


class Branching(RuleBasedStateMachine):
    """Turns anywhere in one conversation, some of which fail; what was said before may be deleted."""

    messages = Bundle("messages")

    def __init__(self, person: Person, model: ModelServer) -> None:
        super().__init__()
        self.person, self.model = person, model
        self.nodes: dict[str, Node] = {}
        self.newest: Node | None = None
        self.count = 0
        self.conversation = ""
        self.refusing = False
        model.script = self.answer

    def answer(self, chat: Chat) -> Any:
        return Response("No.", 400) if self.refusing else echo(chat)

    @initialize(target=messages)
    def begin(self) -> Node:
        self.conversation = self.person.say("m0")["conversation_id"]
        return self.learn(None, "m0", fails=False)

    @rule(target=messages, fails=st.booleans())
    def say(self, fails: bool) -> Node:
        return self.turn(self.newest, {"conversation_id": self.conversation}, fails=fails)

    @rule(target=messages, parent=messages)
    def go_on_from(self, parent: Node) -> Node:
        body = {"conversation_id": self.conversation, "parent_id": parent.id}
        return self.turn(parent, body, fails=False)

    @rule(target=messages)
    def begin_anew(self) -> Node:
        return self.turn(None, {"conversation_id": self.conversation, "parent_id": "root"}, fails=False)

    @rule(target=messages, message=messages, fails=st.booleans())
    def edit(self, message: Node, fails: bool) -> Node:
        if message.role == "assistant" or message.deleted:
            return message
        return self.turn(message.parent, {}, fails=fails, path=self.path_of(message, "edit"))

    @rule(target=messages, message=messages, fails=st.booleans())
    def regenerate(self, message: Node, fails: bool) -> Node:
        question = message if message.role == "user" else message.parent
        if question is None or question.deleted or message.deleted:
            return message
        self.post(self.path_of(message, "regenerate"), {}, fails=fails)
        [made] = self.new()
        answer = Node(made["id"], "assistant", made["content"], question)
        assert made["content"] == ("" if fails else f"To {question.content}.")
        self.nodes[answer.id] = self.newest = answer
        self.check(question)
        return answer

    @rule(message=consumes(messages), whole=st.booleans())
    def delete(self, message: Node, whole: bool) -> None:
        path, scope = self.path_of(message, ""), {"scope": "turn" if whole else "message"}
        assert self.person.http.delete(path.rstrip("/"), params=scope).status_code == (
            404 if message.deleted else 200
        )
        if message.deleted:
            return
        question = message if message.role == "user" else message.parent
        for node in self.nodes.values():
            is_answer = node.role == "assistant" and node.parent is question
            if node is message or (whole and (node is question or is_answer)):
                node.content, node.deleted = "", True

    @rule(message=messages)
    def look_onward(self, message: Node) -> None:
        *_, newest = (node for node in self.nodes.values() if message in node.path)
        shown = self.shown(leaf=message.id, onward="true")
        assert [each["id"] for each in shown] == [node.id for node in newest.path if not node.deleted]

    @invariant()
    def the_newest_way_is_shown(self) -> None:
        if self.newest is not None:
            shown = self.shown(leaf="newest")
            path = [node for node in self.newest.path if not node.deleted]
            assert [message["id"] for message in shown] == [node.id for node in path]
            above = [None, *(node.id for node in path)]
            assert [message["parent_id"] for message in shown] == above[:-1]

    def turn(self, parent: Node | None, body: dict[str, Any], *, fails: bool, path: str = "") -> Node:
        self.count += 1
        text = f"m{self.count}"
        self.post(path or f"/api/{self.person.name}/chat", {"message": text, **body}, fails=fails)
        node = self.learn(parent, text, fails=fails)
        self.check(node if node.role == "user" else node.parent)
        return node

    def learn(self, parent: Node | None, text: str, *, fails: bool) -> Node:
        """Take in what a turn has added: its message, and an answer if it has one."""
        made = self.new()
        asked = Node(made[0]["id"], "user", text, parent)
        said = [Node(one["id"], "assistant", one["content"], asked) for one in made[1:]]
        assert [node.content for node in said] == ([] if fails else [f"To {text}."])
        self.nodes |= {node.id: node for node in (asked, *said)}
        self.newest = (asked, *said)[-1]
        return self.newest

    def check(self, asked: Node | None) -> None:
        assert asked is not None
        assert said_to(self.model) == [*told(asked.path[:-1]), asked.content]

    def post(self, path: str, body: dict[str, Any], *, fails: bool) -> None:
        self.refusing = fails
        response = self.person.http.post(path, json=body)
        self.refusing = False
        assert response.status_code == (502 if fails else 200), response.text

    def path_of(self, message: Node, how: str) -> str:
        return f"/api/v1/conversations/{self.conversation}/messages/{message.id}/{how}"

    def new(self) -> list[dict[str, Any]]:
        return [message for message in self.shown() if message["id"] not in self.nodes]

    def shown(self, **params: str) -> list[dict[str, Any]]:
        path = f"/api/v1/conversations/{self.conversation}/messages"
        return self.person.http.get(path, params={"limit": "500", **params}).json()["messages"]
