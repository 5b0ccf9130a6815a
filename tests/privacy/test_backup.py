"""A backup is taken and put back while others read and write; who was erased since then stays erased."""

from __future__ import annotations

import json
import tarfile
import threading
from pathlib import Path

import pytest
from tests.companies.command import churnml
from tests.privacy.conftest import ACCOUNTS, NOW

from churnml.config import Config
from churnml.store import Actor, Store


@pytest.mark.slow
def test_a_backup_is_put_back_under_a_running_service(firm: Config, tmp_path: Path) -> None:
    file, archive = firm._base / "firm.yaml", tmp_path / "firm.tar.gz"
    (firm.bundles_dir / "firm").mkdir(parents=True)
    (firm.bundles_dir / "firm" / "champion.json").write_text("{}")
    done = threading.Event()
    seen: set[int] = set()
    faults: list[Exception] = []

    def serve() -> None:
        with Store(firm.store_url) as store:
            while not done.is_set():
                try:
                    newest = store.latest("firm")
                    assert newest is not None
                    seen.add(len(store.accounts(newest.id).accounts))
                    store.notes("firm").add("meanwhile", "bob", Actor("bob", NOW), account_id=ACCOUNTS[0])
                except Exception as error:
                    faults.append(error)
                    return

    service = threading.Thread(target=serve)
    service.start()
    try:
        made = churnml("backup", file, "--to", archive, "--json")
        assert made.exit_code == 0, made.stderr
        erased = churnml("erase", file, "--account", "acc-103", "--json")
        assert erased.exit_code == 0, erased.stdout
        (firm.bundles_dir / "firm" / "champion.json").unlink()
        with Store(firm.store_url) as store:
            store.notes("firm").add("written since", "ann", Actor("ann", NOW), account_id="acc-101")
        back = churnml("restore", file, archive, "--json")
        assert back.exit_code == 0, back.stderr
    finally:
        done.set()
        service.join()
    assert not faults
    assert seen <= {8, 7}
    assert json.loads(back.stdout)["erased_again"] == 1
    assert (firm.bundles_dir / "firm" / "champion.json").read_text() == "{}"
    with Store(firm.store_url) as store:
        newest = store.latest("firm")
        assert newest is not None
        assert {one.account_id for one in store.accounts(newest.id).accounts} == set(ACCOUNTS) - {"acc-103"}
        assert [note.text for note in store.notes("firm").find(account_id="acc-101")] == [
            "Spoke to person-acc-101-1 of acc-101."
        ]


def test_what_is_no_backup_is_refused(firm: Config, tmp_path: Path) -> None:
    other = tmp_path / "x.tar.gz"
    other.write_bytes(b"no archive")
    done = churnml("restore", firm._base / "firm.yaml", other, "--json")
    assert json.loads(done.stdout)["error"]["code"] == "backup.unreadable"


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize("name", ["../outside.txt", "store.db"])
def test_what_reaches_beyond_the_folder_is_not_taken_out(
    firm: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: bool, name: str
) -> None:
    archive = tmp_path / "wicked.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        member = tarfile.TarInfo(name)
        if name == "store.db":
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        made.addfile(member)
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    answered = churnml("restore", firm._base / "firm.yaml", archive)
    assert answered.exit_code == 2
    assert "no backup" in answered.stderr
    assert not (firm.workspace_dir / "outside.txt").exists()


def test_a_backup_is_put_back_where_python_has_no_filters(
    firm: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "firm.tar.gz"
    assert churnml("backup", firm._base / "firm.yaml", "--to", archive).exit_code == 0
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    answered = churnml("restore", firm._base / "firm.yaml", archive)
    assert answered.exit_code == 0, answered.stderr
