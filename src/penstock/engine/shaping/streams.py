"""The shapes of all streams of one sync: what the source is asked for, and what lands where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.engine.catalog import nearest
from penstock.engine.shaping.documents import StreamShape
from penstock.engine.shaping.shaper import StreamShaper
from penstock.errors import ConfigError, UnknownName
from penstock.protocol.catalog import ConfiguredStream, StreamDescriptor


class Shaping:
    """Shapers by stream; a stream without a shape passes as it is."""

    def __init__(
        self,
        streams: Sequence[ConfiguredStream] = (),
        shapes: Iterable[StreamShape] = (),
        *,
        is_raw: bool = False,
    ) -> None:
        """Raises ConfigError for a shape that fits no stream, or does not fit its stream."""
        self._shapes: dict[StreamDescriptor, StreamShape] = {}
        self._shapers: dict[StreamDescriptor, StreamShaper] = {}
        by_name = {stream.descriptor: stream for stream in streams}
        try:
            for shape in shapes:
                self._add(shape, by_name, is_raw=is_raw)
        except BaseException:
            self.close()
            raise

    def asked(self, configured: ConfiguredStream) -> ConfiguredStream:
        """Returns the stream as the source is asked for it."""
        shaper = self._shapers.get(configured.descriptor)
        return shaper.configured if shaper else configured

    def landing(self, configured: ConfiguredStream) -> ConfiguredStream:
        """Returns the stream as the destination gets it."""
        shaper = self._shapers.get(configured.descriptor)
        return shaper.landing if shaper else configured

    def table(self, stream: StreamDescriptor) -> str:
        """Returns the name its table is made of."""
        shape = self._shapes.get(stream)
        return (shape.table if shape else None) or stream.name

    def shaper(self, stream: StreamDescriptor) -> StreamShaper | None:
        """Returns what shapes its batches; None for nothing to do."""
        return self._shapers.get(stream)

    def close(self) -> None:
        """Frees what the shapers hold."""
        for shaper in self._shapers.values():
            shaper.close()

    def _add(
        self,
        shape: StreamShape,
        streams: dict[StreamDescriptor, ConfiguredStream],
        *,
        is_raw: bool,
    ) -> None:
        configured = streams.get(shape.stream)
        if configured is None:
            raise UnknownName(
                f"A shape is given for stream {shape.stream}, which is not among those synced.",
                remedy=nearest(str(shape.stream), [str(stream) for stream in streams]),
            )
        if shape.stream in self._shapes:
            raise ConfigError(
                f"Stream {shape.stream} has two shapes.", remedy="Put all its mappers into one."
            )
        self._shapes[shape.stream] = shape
        if shape.fields is None and not shape.mappers:
            return
        if is_raw:
            raise ConfigError(
                f"The fields of stream {shape.stream} cannot be mapped in raw form, in which they"
                " are inside one JSON column (Airbyte destination programs take no other).",
                remedy="Use typed normalisation and a native destination, or leave fields and"
                " mappers out.",
                stream=shape.stream,
            )
        self._shapers[shape.stream] = StreamShaper(configured, shape)
