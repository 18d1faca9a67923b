from dataclasses import fields

from desired.changes import Change, by_instance


def test_a_change_as_text() -> None:
    assert str(Change("prod", "restart", "supabase-prod.service")) == "restart supabase-prod.service"
    assert str(Change(None, "restart", "postgresql.service", "capacity")) == "restart postgresql.service (capacity)"


def test_the_host_comes_first_then_instances_by_name() -> None:
    changes = [
        Change("prod", "start", "b"),
        Change("dev", "start", "c"),
        Change(None, "rebuild", "a"),
        Change("prod", "start", "a"),
    ]
    groups = by_instance(changes)
    assert list(groups) == ["", "dev", "prod"]
    assert groups["prod"] == [changes[0], changes[3]], "in the order they came"
    assert by_instance([]) == {}


def test_there_is_no_room_for_a_value() -> None:
    assert {field.name for field in fields(Change)} == {"instance", "verb", "what", "detail"}
