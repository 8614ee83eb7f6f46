"""Stores of vectors behind one protocol, and how each is measured: run by ``benchmark/memory_peers.py`` in a process of
its own with the Python of its own that has it. Needs numpy alone.

    python memory_stores.py NAME FOLDER
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

BATCH, TOP, WARM = 2000, 10, 10
ENOUGH = 0.98  # recall@10 that a setting must reach
SPAN, HALF = 7200, 0.5 * math.sqrt(math.pi)  # s; m, half a side of the square
Figures = dict[str, float]


class Rows:
    """rows.npz: latents (N, D) float32, poses (N, 3), stamps (N,) s. questions.npz: latents (Q, D), and of narrow ones
    the middle (Q, 2) and the first second (Q,).
    """

    def __init__(self, folder: Path):
        rows, asked = np.load(folder / "rows.npz"), np.load(folder / "questions.npz")
        self.latents, self.poses, self.stamps = rows["latents"], rows["poses"], rows["stamps"]
        self.asked, self.middle, self.after = asked["latents"], asked["middle"], asked["after"]

    def inside(self, i: int) -> dict[str, tuple[float, float]]:
        """Bounds of narrow question ``i``."""
        x, y, t = *self.middle[i], self.after[i]
        return {"x": (x - HALF, x + HALF), "y": (y - HALF, y + HALF), "t": (float(t), float(t + SPAN))}

    def right(self, i: int, narrow: bool, circle: bool) -> set[int]:
        keep = np.ones(len(self.latents), bool)
        if narrow:
            off = self.poses[:, :2] - self.middle[i]
            keep = np.hypot(*off.T) <= 1.0 if circle else (np.abs(off) <= HALF).all(1)
            keep &= (self.stamps >= self.after[i]) & (self.stamps <= self.after[i] + SPAN)
        some = np.flatnonzero(keep)
        away = np.square(self.latents[some] - self.asked[i]).sum(1)
        return set(some[np.argsort(away)[:TOP]].tolist())


class Latentworld:
    settings: tuple[Any, ...] = (None,)
    circle = True

    def __init__(self, folder: Path):
        self.path = folder / "memory.sqlite"

    def fill(self, rows: Rows) -> None:
        from latentworld.memory.records import Record
        from latentworld.memory.store import KeyframeStore
        from latentworld.types import stamp_of

        store = KeyframeStore(self.path, rows=BATCH)
        frame, model = store.lay_frame("odom", 0), store.model("benchmark", rows.latents.shape[1])
        for i, (latent, pose, t) in enumerate(zip(rows.latents, rows.poses, rows.stamps.tolist(), strict=True), 1):
            store.add(Record(stamp_of(t), frame, pose, np.eye(3), 0.5, model, latent))
            if i % (4 * BATCH) == 0:
                store.flush()
        store.flush()
        store.writer.settle()
        store.close()

    def open(self, setting: Any) -> None:
        from latentworld.memory import VisualMemory

        self.memory = VisualMemory(self.path)

    def ask(self, latent: np.ndarray, within: dict[str, tuple[float, float]] | None) -> list[int]:
        from latentworld.memory import MemoryQuery
        from latentworld.types import Latent, stamp_of

        keys = {}
        if within:
            (x0, x1), (y0, y1), (t0, t1) = within.values()
            keys = {"place": ((x0 + x1) / 2, (y0 + y1) / 2), "radius": 1.0, "frame": 1}
            keys |= {"after": stamp_of(t0), "before": stamp_of(t1)}
        found = self.memory.query(MemoryQuery(Latent(0, "benchmark", latent), limit=TOP, **keys)).keyframes
        return [keyframe.id - 1 for keyframe in found]


class LanceDB:
    settings = ({"nprobes": 20}, {"nprobes": 50}, {"nprobes": 200}, {})  # {}: every row
    circle = False

    def __init__(self, folder: Path):
        self.folder = folder

    def fill(self, rows: Rows) -> None:
        import lancedb
        import pyarrow
        from lancedb.index import BTree, IvfFlat

        database = lancedb.connect(self.folder)
        d, table = rows.latents.shape[1], None
        for at in range(0, len(rows.latents), BATCH):
            some = slice(at, at + BATCH)
            vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.latents[some].ravel()), d)
            columns = {"x": rows.poses[some, 0], "y": rows.poses[some, 1], "t": rows.stamps[some].astype(float)}
            piece = pyarrow.table({"id": np.arange(at, at + len(vectors)), "vector": vectors, **columns})
            table = database.create_table("rows", piece) if table is None else (table.add(piece), table)[1]
        table.create_index("vector", config=IvfFlat(distance_type="l2"))
        for column in ("x", "y", "t"):
            table.create_index(column, config=BTree())
        table.optimize()

    def open(self, setting: dict) -> None:
        import lancedb

        self.table, self.setting = lancedb.connect(self.folder).open_table("rows"), setting

    def ask(self, latent: np.ndarray, within: dict[str, tuple[float, float]] | None) -> list[int]:
        search = self.table.search(latent).select(["id", "_distance"]).limit(TOP)
        search = search.nprobes(self.setting["nprobes"]) if self.setting else search.bypass_vector_index()
        if within:
            terms = (f"{name} >= {low} AND {name} <= {high}" for name, (low, high) in within.items())
            search = search.where(" AND ".join(terms), prefilter=True)
        return search.to_arrow()["id"].to_pylist()


class Qdrant:
    """Qdrant Edge: the server's engine in the process."""

    settings = (64, 128, 256, 512)  # hnsw_ef
    circle = False

    def __init__(self, folder: Path):
        self.folder, self.shard = folder / "shard", None

    def fill(self, rows: Rows) -> None:
        import qdrant_edge as q

        self.folder.mkdir()
        vectors = {"": q.EdgeVectorParams(rows.latents.shape[1], q.Distance.Euclid)}
        shard = q.EdgeShard.create(str(self.folder), q.EdgeConfig(vectors))
        for at in range(0, len(rows.latents), BATCH):
            points = [
                q.Point(i, {"": latent.tolist()}, {"x": float(x), "y": float(y), "t": float(t)})
                for i, (latent, (x, y, _), t) in enumerate(
                    zip(*(part[at : at + BATCH] for part in (rows.latents, rows.poses, rows.stamps)), strict=True), at
                )
            ]
            shard.update(q.UpdateOperation.upsert_points(points))
            shard.flush()
        for name in ("x", "y", "t"):
            shard.update(q.UpdateOperation.create_field_index(name, q.PayloadSchemaType.Float))
        shard.optimize()
        shard.close()

    def open(self, setting: int) -> None:
        import qdrant_edge as q

        self.q, self.shard = q, self.shard or q.EdgeShard.load(str(self.folder))
        self.parameters = q.SearchParams(hnsw_ef=setting)

    def ask(self, latent: np.ndarray, within: dict[str, tuple[float, float]] | None) -> list[int]:
        q, wanted = self.q, None
        if within:
            bounds = (q.FieldCondition(n, range=q.RangeFloat(gte=low, lte=high)) for n, (low, high) in within.items())
            wanted = q.Filter(must=list(bounds))
        query = q.Query.Nearest(latent.tolist())
        found = self.shard.query(q.QueryRequest(limit=TOP, query=query, filter=wanted, params=self.parameters))
        return [point.id for point in found]


class Chroma:
    settings = (100, 200, 400)  # ef_search
    circle = False

    def __init__(self, folder: Path):
        self.folder = folder

    def fill(self, rows: Rows) -> None:
        import chromadb

        client = chromadb.PersistentClient(str(self.folder))
        collection = client.create_collection("rows", configuration={"hnsw": {"space": "l2"}})
        for at in range(0, len(rows.latents), BATCH):
            some = range(at, min(at + BATCH, len(rows.latents)))
            places = [
                {"x": float(rows.poses[i, 0]), "y": float(rows.poses[i, 1]), "t": float(rows.stamps[i])} for i in some
            ]
            collection.add([str(i) for i in some], embeddings=rows.latents[some.start : some.stop], metadatas=places)

    def open(self, setting: int) -> None:
        import chromadb

        self.collection = chromadb.PersistentClient(str(self.folder)).get_collection("rows")
        self.collection.modify(configuration={"hnsw": {"ef_search": setting}})

    def ask(self, latent: np.ndarray, within: dict[str, tuple[float, float]] | None) -> list[int]:
        where = None
        if within:
            where = {
                "$and": [{n: {op: v}} for n, b in within.items() for op, v in zip(("$gte", "$lte"), b, strict=True)]
            }
        found = self.collection.query(query_embeddings=latent[None], n_results=TOP, where=where, include=[])
        return [int(id) for id in found["ids"][0]]


class SqliteVec:
    settings = (None,)
    circle = False

    def __init__(self, folder: Path):
        self.path = folder / "vectors.sqlite"

    def _connect(self):
        import pysqlite3 as sqlite3  # of Python itself many are built without extensions
        import sqlite_vec

        connection = sqlite3.connect(self.path)
        connection.enable_load_extension(True)
        sqlite_vec.load(connection)
        return connection

    def fill(self, rows: Rows) -> None:
        connection = self._connect()
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        d = rows.latents.shape[1]
        connection.execute(f"CREATE VIRTUAL TABLE row USING vec0 (latent float[{d}], x float, y float, t float)")
        for at in range(0, len(rows.latents), BATCH):
            some = range(at, min(at + BATCH, len(rows.latents)))
            values = (
                (i, rows.latents[i].tobytes(), *map(float, rows.poses[i, :2]), float(rows.stamps[i])) for i in some
            )
            with connection:
                connection.executemany("INSERT INTO row (rowid, latent, x, y, t) VALUES (?, ?, ?, ?, ?)", values)
        connection.close()

    def open(self, setting: None) -> None:
        self.connection = self._connect()

    def ask(self, latent: np.ndarray, within: dict[str, tuple[float, float]] | None) -> list[int]:
        terms, values = "", [latent.tobytes(), TOP]
        for name, (low, high) in (within or {}).items():
            terms, values = f"{terms} AND {name} >= ? AND {name} <= ?", [*values, low, high]
        found = self.connection.execute(f"SELECT rowid FROM row WHERE latent MATCH ? AND k = ?{terms}", values)
        return [id for (id,) in found]


STORES = {"latentworld": Latentworld, "lancedb": LanceDB, "qdrant": Qdrant, "chroma": Chroma, "sqlite_vec": SqliteVec}


def measure(name: str, folder: str) -> Figures:
    """In a process of its own."""
    rows, own = Rows(Path(folder)), Path(folder) / name
    own.mkdir()
    store = STORES[name](own)
    began = time.perf_counter()
    store.fill(rows)
    figures = {"insert_rows_per_s": len(rows.latents) / (time.perf_counter() - began)}
    figures["disk_gb"] = sum(path.stat().st_size for path in own.rglob("*") if path.is_file()) / 1e9
    kinds = {"ann": False, "narrow": True}
    right = {
        kind: [rows.right(i, narrow, store.circle) for i in range(len(rows.asked))] for kind, narrow in kinds.items()
    }
    best: dict[str, Figures] = {}
    for setting in store.settings:
        store.open(setting)
        for kind, narrow in kinds.items():
            found = asked(store, rows, narrow, right[kind])
            best[kind] = better(best.get(kind, found), found)
    return figures | {f"{kind}_{name}": value for kind in kinds for name, value in best[kind].items()}


def asked(store: Any, rows: Rows, narrow: bool, right: list[set[int]]) -> Figures:
    """All questions of a kind, one after another."""
    spent, hits = [], 0
    for i, latent in enumerate(rows.asked):
        within = rows.inside(i) if narrow else None
        began = time.perf_counter()
        answer = store.ask(latent, within)
        spent.append(1e3 * (time.perf_counter() - began))
        hits += len(right[i] & set(answer))
    p50, p99 = np.percentile(spent[WARM:], (50, 99)).tolist()
    return {"ms_p50": p50, "ms_p99": p99, "recall_at_10": hits / sum(map(len, right))}


def better(one: Figures, other: Figures) -> Figures:
    """The faster of those that find enough; where none does, the one that finds more."""
    return min(one, other, key=lambda f: (max(ENOUGH - f["recall_at_10"], 0.0), f["ms_p99"]))


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
