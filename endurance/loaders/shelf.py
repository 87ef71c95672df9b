"""Which tapes there are and where: read from the disk and from the program, held against each other and against what was
asked for. Knows how a tape's directory is recognised (label.toml), nothing of how the program does its work."""

import dataclasses
import pathlib
import tomllib


class Lost(Exception):
    """Something is not as it was promised."""


@dataclasses.dataclass(frozen=True)
class Tape:
    uuid: str
    barcode: str
    loader: str | None  # none: outside
    path: pathlib.Path
    place: str = ""
    element: int | None = None


class Shelf:
    def __init__(self, loaders, outside, ask):
        self.loaders, self.outside, self.ask = loaders, outside, ask
        self.tapes = {}

    def look(self):
        """Every tape by its uuid. Each must be there once, and where its loader says."""
        found = {}
        for name, directory in [*self.loaders.items(), *((None, directory) for directory in self.outside)]:
            said = {tape["barcode"]: tape for tape in self.ask("tape", "list", name)} if name else {}
            here = {}
            for path in sorted(directory.iterdir()):
                if not (path / "label.toml").exists() or path.name.startswith("."):
                    continue
                label = tomllib.loads((path / "label.toml").read_text())
                if label["barcode"] != path.name and name:
                    raise Lost(f"{path} is labelled {label['barcode']}")
                tape = said.get(path.name, {})
                here[path.name] = Tape(label["uuid"], path.name, name, path, tape.get("place", ""), tape.get("element"))
            if name and here.keys() != said.keys():
                raise Lost(f"loader {name} has {sorted(here)} on disk and says {sorted(said)}")
            elements = [tape.element for tape in here.values() if tape.element is not None]
            if len(elements) != len(set(elements)):
                raise Lost(f"two tapes of loader {name} are in one element: {sorted(elements)}")
            for barcode, tape in said.items():
                if tape["problem"] and tape["place"] != "shelf":
                    raise Lost(f"tape {barcode} of loader {name}: {tape['problem']}")
            for tape in here.values():
                if tape.uuid in found:
                    raise Lost(f"the tape {tape.uuid} is at {found[tape.uuid].path} and at {tape.path}")
                found[tape.uuid] = tape
        self.tapes = found

    def judge_either(self, before, expected, words):
        """It was killed: all of it was done, or nothing; of several new tapes, some."""
        gone, new = before.keys() - self.tapes.keys(), self.tapes.keys() - before.keys()
        self._judge(gone <= {expected.get("gone")}, f"{self._names(before, gone)} are lost by `{' '.join(map(str, words))}`")
        self._judge(len(new) <= expected.get("new", 0), f"{len(new)} tapes appeared")
        self._others_stay(before, expected)

    def judge_done(self, before, expected):
        """It said that it was done."""
        gone, new = before.keys() - self.tapes.keys(), self.tapes.keys() - before.keys()
        self._judge(gone == ({expected["gone"]} if "gone" in expected else set()), f"gone: {self._names(before, gone)}")
        self._judge(len(new) == expected.get("new", 0), f"{len(new)} tapes appeared, not {expected.get('new', 0)}")
        if "carried" in expected:
            tape = self.tapes[expected["carried"]]
            self._judge(tape.loader == expected["loader"], f"tape {tape.barcode} is at {tape.path}")
        self._others_stay(before, expected)

    def judge_nothing(self, before, refusal):
        """It refused: nothing is different."""
        self._judge(before == self.tapes, f"something changed although it refused: {refusal}")

    def _others_stay(self, before, expected):
        """Nothing but what was asked for is anywhere else."""
        if "shuffled" in expected:
            # A loader that is dismissed unloads its drives, nothing else.
            self._judge({uuid: tape.loader for uuid, tape in before.items()} == {uuid: tape.loader for uuid, tape in self.tapes.items()},
                        "tapes changed their loader")
            return
        asked = {expected.get(key) for key in ("gone", "moved", "carried")}
        for uuid, tape in before.items():
            if uuid not in asked and self.tapes.get(uuid) != tape:
                raise Lost(f"tape {tape.barcode} was in {tape.place} of {tape.loader}, now {self.tapes.get(uuid)}")

    @staticmethod
    def uuid(path):
        """Of the tape at `path`; none if there is no tape."""
        label = path / "label.toml"
        return tomllib.loads(label.read_text())["uuid"] if label.exists() else None

    @staticmethod
    def _names(tapes, uuids):
        return ", ".join(f"{tapes[uuid].barcode} ({tapes[uuid].path})" for uuid in uuids)

    @staticmethod
    def _judge(holds, otherwise):
        if not holds:
            raise Lost(otherwise)
