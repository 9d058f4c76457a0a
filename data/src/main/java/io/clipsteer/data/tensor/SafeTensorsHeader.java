// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static io.clipsteer.data.tensor.MappedFile.I64;

import io.clipsteer.data.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** Reads and checks the header of one safetensors file. */
final class SafeTensorsHeader {
  /** The format's own limit. */
  static final long MAX_HEADER = 100_000_000;

  private static final int MAX_RANK = 64;
  private static final long ENTRY_COST = 600;
  private static final String REMEDY = "The file is damaged: download or write it again";
  private static final Map<String, DType> DTYPES =
      Arrays.stream(DType.values()).collect(Collectors.toMap(DType::name, dtype -> dtype));

  private final Path file;
  private final MemorySegment bytes;
  private final Budget budget;
  private final LinkedHashMap<String, StoredTensor> tensors = new LinkedHashMap<>();
  private final Map<String, String> metadata = new HashMap<>();
  private final long[] extents = new long[MAX_RANK];
  private MemorySegment data = MemorySegment.NULL;
  private boolean metadataSeen;

  SafeTensorsHeader(Path file, MemorySegment bytes) {
    this.file = file;
    this.bytes = bytes;
    this.budget = new Budget(file, bytes.byteSize());
  }

  TensorFile read(Arena arena) {
    if (bytes.byteSize() < 8) {
      throw bad("has " + bytes.byteSize() + " bytes, too few for a safetensors file");
    }
    long length = bytes.get(I64, 0);
    if (length < 0 || length > bytes.byteSize() - 8 || length > MAX_HEADER) {
      throw bad(
          "says its header has "
              + Long.toUnsignedString(length)
              + " bytes; the file has "
              + bytes.byteSize()
              + " and the format allows "
              + MAX_HEADER);
    }
    MemorySegment header = bytes.asSlice(8, length);
    if (length == 0 || header.get(ValueLayout.JAVA_BYTE, 0) != '{') {
      throw bad("has no JSON header");
    }
    data = bytes.asSlice(8 + length);
    StrictJson.readObject(file, header, this::readEntries);
    checkLayout();
    return new TensorFile(file, tensors, metadata, arena);
  }

  private void readEntries(JsonParser parser) {
    String name;
    while ((name = parser.nextName()) != null) {
      // What an entry costs in strings, maps and slices is ten times its text.
      budget.spend(ENTRY_COST + 3L * name.length());
      if (name.equals("__metadata__")) {
        readMetadata(parser);
      } else if (tensors.put(name, readTensor(parser, name)) != null) {
        throw bad("tensor " + name + " is listed twice");
      }
    }
  }

  private void readMetadata(JsonParser parser) {
    if (metadataSeen) throw bad("__metadata__ is listed twice");
    metadataSeen = true;
    StrictJson.expectNext(file, parser, JsonToken.START_OBJECT);
    String key;
    while ((key = parser.nextName()) != null) {
      budget.spend(256);
      if (metadata.put(key, StrictJson.nextString(file, parser)) != null) {
        throw bad("__metadata__ has " + key + " twice");
      }
    }
  }

  private StoredTensor readTensor(JsonParser parser, String name) {
    DType dtype = null;
    long[] shape = null;
    MemorySegment range = null;
    StrictJson.expectNext(file, parser, JsonToken.START_OBJECT);
    String field;
    while ((field = parser.nextName()) != null) {
      boolean again =
          switch (field) {
            case "dtype" -> {
              boolean seen = dtype != null;
              dtype = readDType(parser, name);
              yield seen;
            }
            case "shape" -> {
              boolean seen = shape != null;
              shape = readSizes(parser, name);
              yield seen;
            }
            case "data_offsets" -> {
              boolean seen = range != null;
              range = readRange(parser, name);
              yield seen;
            }
            default -> throw bad("tensor " + name + " has the unknown field " + field);
          };
      if (again) throw bad("tensor " + name + " has " + field + " twice");
    }
    return checked(name, dtype, shape, range);
  }

  private DType readDType(JsonParser parser, String name) {
    String text = StrictJson.nextString(file, parser);
    DType dtype = DTYPES.get(text);
    if (dtype == null) {
      throw new InputException(
          file,
          "tensor " + name + " has the element type " + text + ", which is not read here",
          "Convert it to one of " + Arrays.toString(DType.values()));
    }
    return dtype;
  }

  private long[] readSizes(JsonParser parser, String name) {
    StrictJson.expectNext(file, parser, JsonToken.START_ARRAY);
    int rank = 0;
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      if (rank == MAX_RANK) throw bad("tensor " + name + " has more than 64 dimensions");
      extents[rank++] = StrictJson.size(file, parser);
    }
    return Arrays.copyOf(extents, rank);
  }

  private MemorySegment readRange(JsonParser parser, String name) {
    long[] offsets = readSizes(parser, name);
    if (offsets.length != 2 || offsets[0] > offsets[1] || offsets[1] > data.byteSize()) {
      throw bad(
          "tensor "
              + name
              + " lies at "
              + Arrays.toString(offsets)
              + " of "
              + data.byteSize()
              + " bytes");
    }
    return data.asSlice(offsets[0], offsets[1] - offsets[0]);
  }

  private StoredTensor checked(
      String name, @Nullable DType dtype, long @Nullable [] shape, @Nullable MemorySegment range) {
    if (dtype == null || shape == null || range == null) {
      throw bad("tensor " + name + " lacks its dtype, shape or data_offsets");
    }
    long size = dtype.byteSize(shape);
    if (size != range.byteSize()) {
      throw bad(
          "tensor "
              + name
              + " has "
              + range.byteSize()
              + " bytes, which is not what "
              + dtype
              + Arrays.toString(shape)
              + " takes");
    }
    return new StoredTensor(name, dtype, shape, range);
  }

  /** The tensors must cover the data exactly: what lies between or twice could hide a payload. */
  private void checkLayout() {
    StoredTensor[] byPlace = tensors.values().toArray(new StoredTensor[0]);
    Arrays.sort(
        byPlace,
        Comparator.comparingLong((StoredTensor t) -> t.bytes().address())
            .thenComparingLong(t -> t.bytes().byteSize()));
    long end = data.address();
    for (StoredTensor tensor : byPlace) {
      long begin = tensor.bytes().address();
      if (begin != end) {
        throw bad(
            "tensor "
                + tensor.name()
                + (begin < end ? " overlaps the one before it" : " leaves a hole before it"));
      }
      end = begin + tensor.bytes().byteSize();
    }
    long left = data.address() + data.byteSize() - end;
    if (left != 0) throw bad("has " + left + " bytes that belong to no tensor");
  }

  private InputException bad(String what) {
    return new InputException(file, what, REMEDY);
  }
}
