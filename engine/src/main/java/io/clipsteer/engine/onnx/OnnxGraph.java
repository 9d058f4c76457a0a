// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.onnx;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import com.google.protobuf.ByteString;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An ONNX graph in the making, operator set 17, all in fp32. Values are known by name; every method
 * that computes gives the name of its result. A letter stands for an extent that is open.
 */
public final class OnnxGraph {
  private static final int OPSET = 17;
  private static final int IR = 8;

  /** Protocol buffers end here. */
  private static final long MOST_BYTES = Integer.MAX_VALUE - (1 << 20);

  private final GraphProto.Builder graph = GraphProto.newBuilder().setName("clipsteer");
  private int named;
  private long bytes;

  private String name(String what) {
    return what + "_" + named++;
  }

  // ---- what goes in and out --------------------------------------------------------------------

  /** An input of fp32 numbers; a negative extent is the open batch. */
  public String input(String name, long... shape) {
    graph.addInput(value(name, shape));
    return name;
  }

  /** Gives a value a lasting name, and out. */
  public void output(String name, String from, long... shape) {
    graph.addNode(NodeProto.newBuilder().setOpType("Identity").addInput(from).addOutput(name));
    graph.addOutput(value(name, shape));
  }

  private static ValueInfoProto value(String name, long... shape) {
    TensorShapeProto.Builder extents = TensorShapeProto.newBuilder();
    for (long extent : shape) {
      var one = TensorShapeProto.Dimension.newBuilder();
      extents.addDim(extent < 0 ? one.setDimParam("batch") : one.setDimValue(extent));
    }
    TypeProto.Tensor.Builder type =
        TypeProto.Tensor.newBuilder()
            .setElemType(TensorProto.DataType.FLOAT.getNumber())
            .setShape(extents);
    return ValueInfoProto.newBuilder()
        .setName(name)
        .setType(TypeProto.newBuilder().setTensorType(type))
        .build();
  }

  // ---- constants -------------------------------------------------------------------------------

  /** A tensor's values, in fp32. */
  public String constant(Tensor tensor) {
    float[] values;
    try (Scope scope = Scope.open()) {
      values = tensor.to(Device.CPU).to(DType.F32).contiguous().toFloats();
    }
    return constant(values, tensor.shape());
  }

  /** Numbers of a shape. */
  public String constant(float[] values, long... shape) {
    ByteBuffer raw = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    raw.asFloatBuffer().put(values);
    return constant(TensorProto.DataType.FLOAT, raw, shape);
  }

  /** One number, to compute with all of a tensor's. */
  public String number(double value) {
    return constant(new float[] {(float) value}, 1);
  }

  /** Whole numbers: shapes, places, axes. */
  public String whole(long... values) {
    ByteBuffer raw = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    raw.asLongBuffer().put(values);
    return constant(TensorProto.DataType.INT64, raw, values.length);
  }

  private String constant(TensorProto.DataType type, ByteBuffer raw, long... shape) {
    String name = name("c");
    bytes += raw.capacity();
    if (bytes > MOST_BYTES) {
      throw new InputException(
          "the model", "does not fit into one ONNX file of 2 GB", "Ship the sidecar instead");
    }
    TensorProto.Builder tensor =
        TensorProto.newBuilder()
            .setName(name)
            .setDataType(type.getNumber())
            .setRawData(ByteString.copyFrom(raw.array()));
    Arrays.stream(shape).forEach(tensor::addDims);
    graph.addInitializer(tensor);
    return name;
  }

  // ---- operators -------------------------------------------------------------------------------

  /** An operator without attributes. */
  public String op(String type, String... inputs) {
    return op(type, Map.of(), inputs);
  }

  /**
   * An operator.
   *
   * @param attributes each a Long, a Double or a long[]
   */
  public String op(String type, Map<String, Object> attributes, String... inputs) {
    String result = name(type.toLowerCase(java.util.Locale.ROOT));
    NodeProto.Builder node =
        NodeProto.newBuilder()
            .setName(result)
            .setOpType(type)
            .addAllInput(List.of(inputs))
            .addOutput(result);
    attributes.forEach((key, value) -> node.addAttribute(attribute(key, value)));
    graph.addNode(node);
    return result;
  }

  /** The k largest along the last axis, in descending order. */
  public String topK(String x, int k) {
    String values = name("topk");
    graph.addNode(
        NodeProto.newBuilder()
            .setName(values)
            .setOpType("TopK")
            .addInput(x)
            .addInput(whole(k))
            .addOutput(values)
            .addOutput(name("indices")));
    return values;
  }

  private static AttributeProto attribute(String key, Object value) {
    AttributeProto.Builder attribute = AttributeProto.newBuilder().setName(key);
    switch (value) {
      case Long number -> attribute.setType(AttributeProto.AttributeType.INT).setI(number);
      case Double number ->
          attribute.setType(AttributeProto.AttributeType.FLOAT).setF(number.floatValue());
      case long[] numbers -> {
        attribute.setType(AttributeProto.AttributeType.INTS);
        Arrays.stream(numbers).forEach(attribute::addInts);
      }
      default -> throw new IllegalArgumentException(key + " is " + value);
    }
    return attribute.build();
  }

  /** {@code x·wᵀ + b}, w [out,in] and b [out] or none. */
  public String linear(String x, Tensor weight, @Nullable Tensor bias) {
    String product;
    try (Scope scope = Scope.open()) {
      product = op("MatMul", x, constant(weight.transpose(0, 1).contiguous()));
    }
    return bias == null ? product : op("Add", product, constant(bias));
  }

  /** LayerNorm over the last axis. */
  public String layerNorm(String x, Tensor weight, Tensor bias, double eps) {
    return op(
        "LayerNormalization",
        Map.of("axis", -1L, "epsilon", eps),
        x,
        constant(weight),
        constant(bias));
  }

  /** Places {@code from} to {@code to} of an axis, {@code to} not included. */
  public String slice(String x, int axis, long from, long to) {
    return op("Slice", x, whole(from), whole(to), whole(axis));
  }

  /** 0 and −1 as in ONNX: the same extent, and what is left. */
  public String reshape(String x, long... shape) {
    return op("Reshape", x, whole(shape));
  }

  /** Axes in another order. */
  public String transpose(String x, long... order) {
    return op("Transpose", Map.of("perm", order), x);
  }

  /** Mean over an axis. */
  public String mean(String x, long axis, boolean keep) {
    return op("ReduceMean", Map.of("axes", new long[] {axis}, "keepdims", keep ? 1L : 0L), x);
  }

  // ---- the file --------------------------------------------------------------------------------

  /**
   * Writes the file, whole or not at all.
   *
   * @param notes pairs for people, in the file's metadata
   */
  public void write(Path file, String version, Map<String, String> notes) {
    ModelProto.Builder model =
        ModelProto.newBuilder()
            .setIrVersion(IR)
            .setProducerName("clipsteer")
            .setProducerVersion(version)
            .addOpsetImport(OperatorSetIdProto.newBuilder().setVersion(OPSET))
            .setGraph(graph);
    notes.forEach(
        (key, value) ->
            model.addMetadataProps(
                StringStringEntryProto.newBuilder().setKey(key).setValue(value)));
    AtomicFiles.write(file, model.build().toByteArray());
  }
}
