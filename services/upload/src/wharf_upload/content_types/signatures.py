"""The table of signatures: the first bytes of each format, indexed by a file's first byte.

A short signature has a function that checks more evidence. Type names are those of IANA. Where
IANA has no name, the table uses the name that browsers and shared-mime-info use.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Final

from wharf_upload.content_types import (
    compound_files,
    media_files,
    other_evidence,
    packaged_signatures,
    zip_files,
)
from wharf_upload.content_types import short_signatures as short
from wharf_upload.content_types import sound_frames as frames
from wharf_upload.content_types.content import Content, ReadAt

#: A media type, or the function that finds it.
Answer = str | Callable[[Content], str | None]

_WORDS: Final[dict[str, tuple[bytes, ...]]] = {
    # Pictures
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/jls": (b"\xff\xd8\xff\xf7",),
    "image/jxl": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "image/x-jp2-codestream": (b"\xff\x4f\xff\x51",),
    "image/tiff": (b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"),  # BigTIFF
    "image/x-olympus-orf": (b"IIRO\x08\0\0\0", b"IIRS\x08\0\0\0", b"MMOR\0\0\0\x08"),
    "image/x-panasonic-rw2": (b"IIU\0",),
    "image/x-canon-crw": (b"II\x1a\0\0\0HEAPCCDR",),
    "image/x-fuji-raf": (b"FUJIFILMCCD-RAW",),
    "image/x-minolta-mrw": (b"\0MRM",),
    "image/vnd.adobe.photoshop": (b"8BPS\0\1\0\0\0\0\0\0", b"8BPS\0\2\0\0\0\0\0\0"),
    "image/x-xcf": (b"gimp xcf v", b"gimp xcf file"),
    "image/x-exr": (b"v/1\x01",),
    "image/x-dds": (b"DDS |\0\0\0",),
    "image/ktx": (b"\xabKTX 11\xbb\r\n\x1a\n",),
    "image/ktx2": (b"\xabKTX 20\xbb\r\n\x1a\n",),
    "image/vnd.radiance": (b"#?RADIANCE\n", b"#?RGBE\n"),
    "image/x-portable-arbitrarymap": (b"P7\nWIDTH ",),
    "image/bpg": (b"BPG\xfb",),
    "image/vnd.djvu": (b"AT&TFORM",),
    "image/wmf": (b"\xd7\xcd\xc6\x9a",),
    "image/x-mng": (b"\x8aMNG\r\n\x1a\n",),
    "image/x-jng": (b"\x8bJNG\r\n\x1a\n",),
    "image/x-sun-raster": (b"\x59\xa6\x6a\x95",),
    "image/x-eps": (b"\xc5\xd0\xd3\xc6",),
    # Sound
    "audio/flac": (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22"),
    "audio/midi": (b"MThd\0\0\0\x06",),
    "audio/amr-wb": (b"#!AMR-WB\n",),
    "audio/basic": (b".snd\0\0",),
    "audio/x-caf": (b"caff\0\1",),
    "audio/x-dsf": (b"DSD \x1c\0\0\0",),
    "audio/x-dff": (b"FRM8\0\0\0\0",),
    "audio/x-tta": (b"TTA1\1\0", b"TTA1\2\0"),
    "audio/x-musepack": (b"MPCKSH", b"MP+\x07", b"MP+\x17"),
    "audio/vnd.dts": (b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80"),
    "audio/x-voc": (b"Creative Voice File\x1a",),
    "audio/x-xm": (b"Extended Module: ",),
    "audio/vnd.rn-realaudio": (b".ra\xfd",),
    # Moving pictures
    "application/mxf": (b"\x06\x0e\x2b\x34\x02\x05\x01\x01",),
    "application/vnd.rn-realmedia": (b".RMF\0\0\0",),
    "video/x-ivf": (b"DKIF\0\0\x20\0",),
    "video/x-yuv4mpeg": (b"YUV4MPEG2 ",),
    "video/x-nut": (b"nut/multimedia container\0",),
    "video/dv": (b"\x1f\x07\0",),
    # Documents
    "application/pdf": (b"%PDF-",),
    "application/vnd.fdf": (b"%FDF-",),
    "application/rtf": (b"{\\rtf",),
    "application/postscript": (b"%!PS",),
    "application/vnd.ms-htmlhelp": (b"ITSF\3\0\0\0",),
    "application/winhlp": (b"?_\3\0",),
    "application/x-ms-shortcut": (b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0F",),
    "application/onenote": (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3",),
    "application/vnd.wordperfect": (b"\xffWPC",),
    "application/vnd.lotus-1-2-3": (b"\0\0\2\0\6\4\6\0", b"\0\0\x1a\0\0\x10\4\0"),
    "application/vnd.ms-access": (b"\0\1\0\0Standard Jet DB", b"\0\1\0\0Standard ACE DB"),
    "application/vnd.ms-tnef": (b"\x78\x9f\x3e\x22",),
    "application/x-hwp": (b"HWP Document File",),
    # Archives and disks
    "application/zstd": (  # RFC 8878 section 3.1: a frame, or one to be skipped
        b"\x28\xb5\x2f\xfd", *(bytes((number,)) + b"\x2a\x4d\x18" for number in range(0x50, 0x60)),
    ),
    "application/x-lz4": (b"\x02\x21\x4c\x18",),  # as it was before 2013
    "application/x-lzip": (b"LZIP\0", b"LZIP\1"),
    "application/x-snappy-framed": (b"\xff\x06\0\0sNaPpY",),
    "application/x-lrzip": (b"LRZI\0",),
    "application/zip": (b"PK\x05\x06", b"PK\x07\x08"),
    "application/vnd.ms-cab-compressed": (b"MSCF\0\0\0\0", b"ISc("),
    "application/x-xar": (b"xar!\0\x1c\0\1",),
    "application/x-alz": (b"ALZ\1",),
    "application/x-stuffit": (b"StuffIt (c)1997",),
    "application/x-ms-wim": (b"MSWIM\0\0\0",),
    "application/x-qemu-disk": (b"QFI\xfb",),
    "application/x-vmdk-disk": (b"KDMV\1\0\0\0", b"KDMV\2\0\0\0", b"KDMV\3\0\0\0"),
    "application/x-vhdx-disk": (b"vhdxfile",),
    "application/x-vhd-disk": (b"conectix",),
    "application/x-par2": (b"PAR2\0PKT",),
    "application/warc": (b"WARC/0.", b"WARC/1."),
    # Programs
    "application/wasm": (b"\0asm\x0d\0\1\0",),  # a component
    "application/x-dex": (b"dex\n03",),
    "application/x-lua-bytecode": (b"\x1bLua",),
    "application/x-java-keystore": (b"\xfe\xed\xfe\xed\0\0\0",),
    "application/x-java-jce-keystore": (b"\xce\xce\xce\xce\0\0\0",),
    "application/x-google-chrome-extension": (b"Cr24\2\0\0\0", b"Cr24\3\0\0\0"),
    # Data
    "application/x-hdf5": (b"\x89HDF\r\n\x1a\n", b"\x0e\x03\x13\x01"),
    "application/x-netcdf": (b"CDF\1", b"CDF\2", b"CDF\5"),
    "application/x-matlab-data": (b"MATLAB 5.0 MAT-file",),
    "application/x-npy": (b"\x93NUMPY",),
    "application/vnd.apache.arrow.file": (b"ARROW1\0\0",),
    "application/avro": (b"Obj\1",),
    "application/vnd.shp": (b"\0\0\x27\x0a" + bytes(20),),
    "application/x-blender": (b"BLENDER-", b"BLENDER_", b"BLENDER1"),
    "model/gltf-binary": (b"glTF\1\0\0\0", b"glTF\2\0\0\0"),
    "model/ply": (b"ply\nformat ", b"ply\r\nformat "),
    "application/vnd.tcpdump.pcap": (
        b"\xd4\xc3\xb2\xa1\2\0\4\0", b"\xa1\xb2\xc3\xd4\0\2\0\4",
        b"\x4d\x3c\xb2\xa1\2\0\4\0", b"\xa1\xb2\x3c\x4d\0\2\0\4",
    ),
    "application/x-keepass2": (b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5",),
    "application/x-bplist": (b"bplist00",),
    "application/x-gettext-translation": (b"\xde\x12\x04\x95\0\0\0", b"\x95\x04\x12\xde\0\0\0"),
    "application/fits": (b"SIMPLE  =                    T",),
    # Fonts
    "font/collection": (b"ttcf\0\1\0\0", b"ttcf\0\2\0\0"),
    "application/x-font-pcf": (b"\1fcp",),
    "application/x-font-linux-psf": (b"\x72\xb5\x4a\x86",),
}  # fmt: skip

_EVIDENCE: Final[tuple[tuple[bytes, Callable[[Content], str | None]], ...]] = (
    (zip_files.LOCAL_HEADER, zip_files.zip_type),
    (compound_files.SIGNATURE, compound_files.ole_type),
    (b"BM", short.bmp_type),
    (b"MZ", short.program_type),
    (b"II*\0", short.tiff_type),
    (b"MM\0*", short.tiff_type),
    (b"\0\0\1\0", short.icon_type),
    (b"\0\0\2\0", short.icon_type),
    (b"\0\1\0\0\0", short.font_type),
    (b"OTTO\0", short.font_type),
    (b"true\0", short.font_type),
    (b"\x0a", short.pcx_type),
    *((bytes((version,)), short.dbf_type) for version in short.DBF_VERSIONS),
    (b"\x1f\x9d", short.compress_type),
    *((letter + b"WS", short.flash_type) for letter in (b"F", b"C", b"Z")),
    (b"\xca\xfe\xba\xbe", short.java_or_mach_type),
    *((magic, short.mach_type) for magic in short.MACH_WORDS),
    (b"\x7fELF", short.elf_type),
    (b"ID3", frames.tagged_type),
    (b"\xff", frames.mpeg_audio_type),
    (b"\x0b\x77", frames.ac3_type),
    (b"\0\0\1", frames.program_stream_type),
    (b"\x47", frames.transport_stream_type),
    (b"\0\0\0\x0cjP  \r\n\x87\n", media_files.jpeg2000_type),
    (b"\x1a\x45\xdf\xa3", media_files.matroska_type),
    (b"OggS", media_files.ogg_type),
    *((word, media_files.riff_type) for word in (b"RIFF", b"RIFX", b"RF64", b"BW64")),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), media_files.asf_type),
    (b"\0", media_files.quicktime_type),
    (b"P", other_evidence.portable_map_type),
    (b"FORM", other_evidence.form_type),
    (b"07070", other_evidence.cpio_type),
    (b"d", other_evidence.torrent_type),
    (b"AC10", other_evidence.dwg_type),
    (b"BZh", other_evidence.bzip2_type),
    (b"\xfd7zXZ\0", other_evidence.xz_type),
    (b"qoif", other_evidence.qoi_type),
    (b"\1\xda", other_evidence.sgi_type),
    (b"icns", other_evidence.icns_type),
    (b"\x5d\0", other_evidence.lzma_type),
    (b"\x60\xea", other_evidence.arj_type),
    (b"\n\r\r\n", other_evidence.pcapng_type),
    (b"SQLite format 3\0", other_evidence.sqlite_type),
    (b"PAR1", other_evidence.parquet_type),
    (b"ORC", other_evidence.orc_type),
    (b"\x30", other_evidence.der_type),
    (b"FLV\1", other_evidence.flv_type),
)
# Signatures that consist of letters only, and the bytes that must be at another offset.
_TWO_PLACES: Final[tuple[tuple[bytes, int, tuple[bytes, ...], str], ...]] = (
    (b"MAC ", 5, (b"\x0e", b"\x0f", b"\x10"), "audio/x-ape"),
    (b"wvpk", 9, (b"\x04",), "audio/x-wavpack"),
    (b"IMPM", 41, (b"\1", b"\2"), "audio/x-it"),
    (b"!BDN", 8, (b"SM",), "application/vnd.ms-outlook"),
    (b"hsqs", 28, (b"\4\0",), "application/vnd.squashfs"),
    (b"LASF", 24, (b"\1",), "application/vnd.las"),
    (b"FOVb", 6, (b"\2\0", b"\3\0", b"\4\0"), "image/x-sigma-x3f"),
)
# Signatures at a later offset, which are checked after the signatures at the beginning.
_LATER: Final[tuple[tuple[int, bytes, Answer], ...]] = (
    (4, b"ftyp", media_files.isobmff_type),
    *((4, kind, media_files.segment_type) for kind in media_files.SEGMENT_BEGINS),
    (257, b"ustar\0", "application/x-tar"),
    (257, b"ustar ", "application/x-tar"),
    (128, b"DICM", "application/dicom"),
    (4, b"\x47", frames.transport_stream_type),
    (2, b"-", other_evidence.lha_type),
    (2, b"\r\n", other_evidence.python_type),
    (6, b"%!", "application/x-font-type1"),
    (7, b"**ACE**", "application/x-ace"),
    (20, b"\xdc\xa7\xc4\xfd", "application/x-zoo"),
    (34, b"LP", short.embedded_font_type),
    (36, b"acsp", "application/vnd.iccprofile"),
    (40, b" EMF\0\0\1\0", "image/emf"),
    (44, b"SCRM", "audio/x-s3m"),
    (60, b"BOOKMOBI", "application/x-mobipocket-ebook"),
    (60, b"TEXtREAd", "application/vnd.palm"),
    (64, b"\x7f\x10\xda\xbe", "application/x-vdi-disk"),
    (1080, b"M.K.", "audio/x-mod"),
)


def _also(offset: int, values: tuple[bytes, ...], media_type: str) -> Answer:
    """Return the function that finds a type by one of `values` at an offset."""

    def look(content: Content) -> str | None:
        return media_type if content.head.startswith(values, offset) else None

    return look


def _by_first_byte() -> tuple[tuple[tuple[bytes, Answer], ...], ...]:
    """Return for each byte the signatures that begin with it, the longest first."""
    words: list[tuple[bytes, Answer]] = [
        (word, media_type) for media_type, several in _WORDS.items() for word in several
    ]
    words += _EVIDENCE
    words += packaged_signatures.formats()
    words += [
        (word, _also(offset, values, media_type))
        for word, offset, values, media_type in _TWO_PLACES
    ]
    words.sort(key=lambda each: -len(each[0]))
    return tuple(tuple(each for each in words if each[0][0] == first) for first in range(256))


_TABLE: Final = _by_first_byte()


def signed_type(head: bytes, size: int | None, read_at: ReadAt | None) -> str | None:
    """Return the type of a file by its signature or by other evidence, or None without evidence.

    The arguments are those of `Content`. `head` is not empty; `size` is None if it is unknown.
    """
    for word, answer in _TABLE[head[0]]:
        if head.startswith(word):
            if isinstance(answer, str):
                return answer
            break
    return _by_evidence(Content(head, size, read_at))


def _by_evidence(content: Content) -> str | None:
    head = content.head
    begins = (answer for word, answer in _TABLE[head[0]] if head.startswith(word))
    behind = (answer for offset, word, answer in _LATER if head.startswith(word, offset))
    for answer in chain(begins, behind):
        found = answer if isinstance(answer, str) else answer(content)
        if found is not None:
            return found
    return other_evidence.old_tar_type(content) or other_evidence.by_end_or_size(content)
