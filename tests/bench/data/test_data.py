"""The data set: the same bytes everywhere, real TFRecords and zlib streams, damage found where it is."""

import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from bench.data import FORMATS, SIZES, augment, identity, images, make, parquet, records, tar
from bench.data.dataset import DataError, bytes_of, content, file_bytes, open_dataset, parts_of, sample_at, samples_of

SIZE = "1MB"
SHA256 = {  # of the digests of the files: other bytes are another data set, and a new VERSION
    "memmap": "6315ddc50c61eb2cd8b69677a605453d56eb995ee7eab55fef01d438b6fd31e7",
    "records": "b81eeb1d3df7eb7ff226a7d2e63bfc82e80f72a0727b8db6038349953cde60e9",
    "webdataset": "2e65f3d131bcd99c1828bc51cc1d5d301040ef7b1d0941c93cb3e3e8237b505c",
    "parquet": "e0cc091d343dff656119aec8cbd37093c2ee7c5547b98b9db44e30ae12066bdc",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("data")
    make.make(there, SIZE, list(FORMATS))
    return there


def splitmix64(counter: int) -> int:
    """The published algorithm, one number at a time (Steele, Lea, Flood 2014)."""
    z = counter * images.GOLDEN % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def crc32c(data: bytes) -> int:
    """Bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (records.POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_the_bytes_are_the_same_on_every_machine(folder: Path) -> None:
    data = open_dataset(folder, SIZE)
    assert {name: data.sha256(name) for name in SHA256} == SHA256
    assert data.sha256("memory") == data.sha256("memmap")


def test_the_numbers_are_those_of_splitmix64() -> None:
    counters = [0, 1, 2**63, 2**64 - 1, images.NOISE]
    assert images.mixed(counters).tolist() == [splitmix64(counter) for counter in counters]


def test_a_sample_depends_on_its_index_alone() -> None:
    assert np.array_equal(images.images(0, 9)[5:], images.images(5, 4))
    assert np.array_equal(images.labels(0, 9)[5:], images.labels(5, 4))
    assert images.images(0, 64).max() < 144, "of more the codes have nine bits"
    assert set(images.labels(0, 256)) == set(range(images.CLASSES))


def test_a_crc_is_that_of_castagnoli_masked_as_tensorflow_does() -> None:
    rows = np.random.default_rng(1).integers(0, 256, (3, 41), np.uint8)
    rows[0, :9] = np.frombuffer(b"123456789", np.uint8)
    assert crc32c(b"123456789") == 0xE3069283, "the check value of the catalogue of CRCs"
    for row, masked in zip(rows, records.masked_crc(rows).tolist(), strict=True):
        crc = crc32c(row.tobytes())
        assert masked == ((crc >> 15 | crc << 17) + records.MASK) % 2**32


def test_a_record_is_framed_and_any_zlib_decodes_it() -> None:
    x, y = images.images(3, 2), images.labels(3, 2)
    for record, image, label in zip(records.encoded(x, y), x, y.tolist(), strict=True):
        whole = record.tobytes()
        (length,) = struct.unpack("<Q", whole[:8])
        payload = whole[12:-4]
        assert length == len(payload) == records.PAYLOAD_BYTES
        assert payload[0] == label
        assert zlib.decompress(payload[1:]) == image.tobytes()


def test_a_shard_is_read_whole_whatever_the_blocks(folder: Path) -> None:
    (shard,) = open_dataset(folder, SIZE).shards("records")
    for block_bytes in (1 << 20, 4099):
        decoded = [records.decoded(payload) for payload in records.payloads(shard, block_bytes=block_bytes)]
        assert np.array_equal(np.stack([image for image, _ in decoded]), images.images(0, len(decoded)))
        assert [label for _, label in decoded] == images.labels(0, len(decoded)).tolist()


def test_a_shard_that_ends_within_a_record_is_told(tmp_path: Path) -> None:
    shard = tmp_path / "short"
    shard.write_bytes(records.encoded(images.images(0, 2), images.labels(0, 2)).tobytes()[:-1])
    with pytest.raises(EOFError, match="ends within a record"):
        list(records.payloads(shard))


def test_a_tar_file_is_what_tarfile_would_write(folder: Path) -> None:
    data = open_dataset(folder, SIZE)
    (shard,) = data.shards("webdataset")
    whole = shard.read_bytes()
    with tarfile.open(shard) as archive:
        members = archive.getmembers()
        for member in members:
            assert member.tobuf(tarfile.USTAR_FORMAT) == whole[member.offset : member.offset + 512]
        names = [f"{index:08}.{extension}" for index in range(data.samples) for extension in ("zlib", "cls")]
        assert [member.name for member in members] == names
        contents = [file.read() for member in members if (file := archive.extractfile(member))]
    assert [int(label) for label in contents[1::2]] == images.labels(0, data.samples).tolist()
    pixels = b"".join(zlib.decompress(stream) for stream in contents[::2])
    assert pixels == images.images(0, data.samples).tobytes()


def test_later_shards_name_their_samples_by_their_index() -> None:
    one = tar.encoded(8191, images.images(8191, 2), images.labels(8191, 2))
    header = tarfile.TarInfo.frombuf(one[1, :512].tobytes(), "ascii", "strict")
    assert (header.name, header.size, header.mtime) == ("00008192.zlib", records.STREAM_BYTES, 0)


def test_a_parquet_file_is_read_by_arrow_with_its_row_groups(folder: Path) -> None:
    data = open_dataset(folder, SIZE)
    (shard,) = data.shards("parquet")
    with pyarrow.parquet.ParquetFile(shard) as file:
        metadata = file.metadata
        groups = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
        assert groups == [parquet.ROWS] * (data.samples // parquet.ROWS)
        assert metadata.num_rows == data.samples
        columns = [metadata.row_group(0).column(at) for at in range(2)]
        assert [(one.path_in_schema, one.compression) for one in columns] == [
            ("image", "UNCOMPRESSED"),
            ("label", "UNCOMPRESSED"),
        ]
        rows = file.read()
    assert rows["label"].to_pylist() == images.labels(0, data.samples).tolist()
    pixels = b"".join(zlib.decompress(stream) for stream in rows["image"].to_pylist())
    assert pixels == images.images(0, data.samples).tobytes()


def test_a_parquet_file_of_a_whole_shard_is_read_by_arrow(tmp_path: Path) -> None:
    """Its metadata have more than 14 row groups, which Thrift counts in another way."""
    path = tmp_path / "one.parquet"
    part = parts_of(samples_of("64MB"))[0]
    with path.open("wb") as file:
        for piece in content("parquet", part):
            file.write(piece)
    assert path.stat().st_size == file_bytes("parquet", part.samples)
    labels = pyarrow.parquet.read_table(path, columns=["label"])["label"].to_numpy()
    assert np.array_equal(labels, images.labels(part.first, part.samples))


def test_arrays_are_what_the_generator_says_and_their_files_have_the_stated_length(folder: Path) -> None:
    data = open_dataset(folder, SIZE)
    x, y = data.arrays()
    assert np.array_equal(x, images.images(0, data.samples))
    assert np.array_equal(y, images.labels(0, data.samples))
    on_disk = sum(path.stat().st_size for path in (folder / SIZE).iterdir() if path.name != "manifest.json")
    assert bytes_of(SIZE, list(FORMATS)) == on_disk


def test_every_size_has_whole_batches_and_its_shards_have_every_sample_once() -> None:
    for size in SIZES:
        samples = samples_of(size)
        assert samples % 256 == 0
        indices = [part.first + at for part in parts_of(samples)[-2:] for at in (0, part.samples - 1)]
        assert indices[-1] == samples - 1
        assert sum(part.samples for part in parts_of(samples)) == samples


class TestAugmentation:
    def test_is_a_function_of_seed_epoch_and_index(self) -> None:
        whole = augment.choices(7, 3, 0, 100)
        assert np.array_equal(whole[40:60], augment.choices(7, 3, 40, 20))
        assert not np.array_equal(whole, augment.choices(7, 4, 0, 100))
        assert not np.array_equal(whole, augment.choices(8, 3, 0, 100))

    def test_takes_every_window_and_both_sides_about_equally_often(self) -> None:
        chosen = augment.choices(1, 0, 0, 9000)
        for column, count in zip(chosen.T, (9, 9, 2), strict=True):
            assert np.all(np.abs(np.bincount(column, minlength=count) * count / 9000 - 1) < 0.15)

    def test_moves_and_mirrors_each_pixel(self) -> None:
        x = images.images(0, 32)
        chosen = augment.choices(1, 0, 0, 32)
        made = augment.apply(x, chosen)
        for image, (top, left, mirrored), result in zip(x, chosen.tolist(), made, strict=True):
            assert np.array_equal(result, augment.apply_one(image, top, left, mirrored))
            for row, column in ((0, 0), (31, 31), (12, 5)):
                source = row + top - augment.PAD, (31 - column if mirrored else column) + left - augment.PAD
                inside = all(0 <= at < 32 for at in source)
                expected = image[source] if inside else np.zeros(3)
                assert np.array_equal(result[row, column], expected)


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "header", "end"),
        [
            ("images-00000.npy", "in its header", "in sample"),
            ("labels-00000.npy", "in its header", "in sample"),
            ("records-00000.tfrecord", "in sample 0", "in sample"),
            ("webdataset-00000.tar", "in sample 0", "outside of its samples"),
            ("parquet-00000.parquet", "outside of its samples", "outside of its samples"),
        ],
    )
    @pytest.mark.parametrize("damage", ["a bit", "the header", "the end"])
    def test_is_found_with_file_byte_and_sample(
        self, name: str, header: str, end: str, damage: str, tmp_path: Path
    ) -> None:
        data = make.make(tmp_path, SIZE, list(FORMATS))
        path = tmp_path / SIZE / name
        whole = bytearray(path.read_bytes())
        offset = {"a bit": len(whole) // 2, "the header": 5, "the end": len(whole) - 1}[damage]
        whole[offset] ^= 8
        path.write_bytes(whole[:-1] if damage == "the end" else whole)
        (format_,) = {one for one, kinds in FORMATS.items() if name.split("-")[0] in kinds} - {"memory"}
        where = {"a bit": "in sample", "the header": header, "the end": end}[damage]
        with pytest.raises(DataError, match=f"{name} is damaged at byte {offset}, {where}"):
            data.verify(format_)

    @pytest.mark.parametrize("kind", ["records", "webdataset", "parquet"])
    def test_in_the_pixels_of_a_sample_names_it_in_a_later_shard(self, kind: str) -> None:
        part = parts_of(samples_of("64MB"))[1]._replace(samples=512)
        whole = b"".join(content(kind, part))
        assert len(whole) == file_bytes(kind, part.samples)
        for sample in (part.first, part.first + 300, part.first + 511):
            stream = records.streams(images.images(sample, 1)).tobytes()
            begin = whole.index(stream)
            assert {sample_at(kind, part, at) for at in (begin, begin + len(stream) - 1)} == {sample}

    def test_in_a_label_of_parquet_names_its_sample(self) -> None:
        part = parts_of(samples_of(SIZE))[0]
        labels_end = len(parquet.MAGIC) + parquet.GROUP_BYTES
        assert [sample_at("parquet", part, at) for at in (labels_end - 1, labels_end - 4)] == [255, 255]
        assert sample_at("parquet", part, labels_end) is None, "the header of the next group's page"

    def test_of_one_format_leaves_the_other_usable(self, tmp_path: Path) -> None:
        data = make.make(tmp_path, SIZE, list(FORMATS))
        (tmp_path / SIZE / "records-00000.tfrecord").unlink()
        data.verify("memmap")
        with pytest.raises(DataError, match=r"records-00000.tfrecord cannot be read"):
            data.verify("records")

    def test_of_the_manifest_is_a_sentence(self, tmp_path: Path) -> None:
        make.make(tmp_path, SIZE, ["memmap"])
        (tmp_path / SIZE / "manifest.json").write_text('{"version": 0, "samples": 1, "files": {}}')
        with pytest.raises(DataError, match="another version of the generator"):
            open_dataset(tmp_path, SIZE)

    def test_only_what_is_missing_is_written_again(self, tmp_path: Path) -> None:
        make.make(tmp_path, SIZE, ["memmap"])
        assert {kind for kind, _ in make.missing(tmp_path, SIZE, ["memmap", "records"])} == {"records"}
        make.make(tmp_path, SIZE, ["records"])
        assert not make.missing(tmp_path, SIZE, ["memmap", "records"])
        (tmp_path / SIZE / "labels-00000.npy").write_bytes(b"short")
        assert [kind for kind, _ in make.missing(tmp_path, SIZE, ["memmap", "records"])] == ["labels"]


class TestIdentity:
    def epoch(self, number: int = 0) -> list[identity.Samples]:
        return list(identity.epoch_of(256, 64, seed=1, epoch=number))

    def test_of_equal_epochs_has_no_difference_whatever_the_batches(self) -> None:
        found = identity.compare(self.epoch(), self.epoch(), ordered=True)
        assert found.difference == ""
        assert found.given == found.expected
        again = identity.Hash()
        for batch in identity.epoch_of(256, 32, seed=1, epoch=0):
            again.update(batch)
        assert again.digest() == found.given

    @pytest.mark.parametrize(
        ("fault", "difference"),
        [
            (lambda batches: batches[1:], "192 samples and not 256: 64 missing, from batch 0 on"),
            (lambda batches: [*batches[:2], batches[1], *batches[2:]], "320 samples and not 256: 64 too many, from"),
            (lambda batches: [batches[1], batches[0], *batches[2:]], "in another order, from batch 0 on"),
            (lambda batches: [*batches[:3], batches[2]], "other samples from batch 3 on"),
            (lambda batches: [identity.Samples(x, (y + 1) % 10) for x, y in batches], "other samples from batch 0 on"),
        ],
    )
    def test_a_fault_is_named(self, fault: "object", difference: str) -> None:
        assert callable(fault)
        assert difference in identity.compare(fault(self.epoch()), self.epoch(), ordered=True).difference

    def test_without_an_order_only_the_multiset_counts(self) -> None:
        turned = self.epoch()[::-1]
        assert identity.compare(turned, self.epoch(), ordered=False).difference == ""
        doubled = [turned[0], *turned[:3]]
        assert "other samples" in identity.compare(doubled, self.epoch(), ordered=False).difference

    def test_other_flips_are_other_samples(self) -> None:
        assert "other samples" in identity.compare(self.epoch(1), self.epoch(), ordered=True).difference

    def test_a_batch_of_other_numbers_is_refused(self) -> None:
        with pytest.raises(ValueError, match="a batch has float32"):
            identity.as_samples(np.zeros((2, 32, 32, 3), np.float32), np.zeros(2, np.int32))
