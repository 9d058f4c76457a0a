// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StoredTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.apiguardian.api.API;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * An n-dimensional array in native memory, row-major unless it is a view. Results belong to the
 * innermost {@link Scope} of the thread that made them. Names that end in {@code InPlace} change
 * this tensor (and every view of it) and return it; all others leave their operands alone.
 *
 * <p>Shapes in the documentation: b batch, t tokens, d width, f features, n rows.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Tensor implements AutoCloseable {
  private final org.bytedeco.pytorch.Tensor raw;

  private Tensor(org.bytedeco.pytorch.Tensor raw) {
    this.raw = raw;
  }

  org.bytedeco.pytorch.Tensor raw() {
    return raw;
  }

  // ---- making -------------------------------------------------------------------------------

  /** All zeros, on the CPU. */
  public static Tensor zeros(DType dtype, long... shape) {
    return empty(dtype, shape).fillInPlace(0);
  }

  /** All zeros. */
  public static Tensor zeros(DType dtype, Device device, long... shape) {
    return empty(dtype, device, shape).fillInPlace(0);
  }

  /** Contents undefined, on the CPU. */
  public static Tensor empty(DType dtype, long... shape) {
    return empty(dtype, Device.CPU, shape);
  }

  private static Tensor empty(DType dtype, Device device, long... shape) {
    return op(
        "empty" + Arrays.toString(shape),
        () -> {
          var options = new TensorOptions(torchType(dtype));
          if (!device.equals(Device.CPU))
            options = options.device(new org.bytedeco.pytorch.DeviceOptional(device.raw()));
          return torch.empty(shape, options, new MemoryFormatOptional());
        });
  }

  /** A copy of {@code values} as F32, on the CPU. */
  public static Tensor of(float[] values, long... shape) {
    Tensor tensor = empty(DType.F32, shape);
    MemorySegment.copy(
        values, 0, tensor.segment(), ValueLayout.JAVA_FLOAT, 0, checked(values.length, tensor));
    return tensor;
  }

  /** A copy of {@code values} as F64, on the CPU. */
  public static Tensor of(double[] values, long... shape) {
    Tensor tensor = empty(DType.F64, shape);
    MemorySegment.copy(
        values, 0, tensor.segment(), ValueLayout.JAVA_DOUBLE, 0, checked(values.length, tensor));
    return tensor;
  }

  /** Numbers of a normal distribution with mean 0, F32 on the CPU. */
  public static Tensor normal(SplittableRandom random, double deviation, long... shape) {
    Tensor tensor = empty(DType.F32, shape);
    MemorySegment memory = tensor.segment();
    for (long i = 0; i < tensor.elements(); i++) {
      memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (deviation * random.nextGaussian()));
    }
    return tensor;
  }

  /** A copy of {@code values} as I64, on the CPU. */
  public static Tensor of(long[] values, long... shape) {
    Tensor tensor = empty(DType.I64, shape);
    MemorySegment.copy(
        values, 0, tensor.segment(), ValueLayout.JAVA_LONG, 0, checked(values.length, tensor));
    return tensor;
  }

  /** A copy of a tensor in a file, with the file's element type, on the CPU. */
  public static Tensor of(StoredTensor stored) {
    Tensor tensor = empty(stored.dtype(), stored.shape());
    tensor.segment().copyFrom(stored.bytes().asSlice(0, tensor.bytes()));
    return tensor;
  }

  /** A view of native memory as F32 rows; the memory must outlive the tensor. */
  public static Tensor wrap(MemorySegment floats, long... shape) {
    if (!floats.isNative()) throw new IllegalArgumentException("wrap needs native memory");
    Pointer pointer = new Address(floats.address());
    return op(
        "wrap" + Arrays.toString(shape),
        () -> torch.from_blob(pointer, shape, new TensorOptions(torch.ScalarType.Float)));
  }

  /** Joins tensors along {@code dim}. */
  public static Tensor concat(List<Tensor> parts, int dim) {
    return op(
        "concat",
        () -> {
          TensorVector all = new TensorVector();
          for (Tensor part : parts) all.push_back(part.raw);
          return torch.cat(all, dim);
        },
        parts.toArray(Tensor[]::new));
  }

  // ---- looking ------------------------------------------------------------------------------

  /** The extents, outermost first. */
  public long[] shape() {
    long[] shape = new long[(int) raw.dim()];
    for (int i = 0; i < shape.length; i++) shape[i] = raw.size(i);
    return shape;
  }

  /** Extent of one dimension; negative counts from the last. */
  public long size(int dim) {
    return raw.size(dim);
  }

  /** Number of elements. */
  public long elements() {
    return raw.numel();
  }

  /** Size of the elements in bytes. */
  public long bytes() {
    return raw.nbytes();
  }

  /** Element type. */
  public DType dtype() {
    return switch (raw.scalar_type().intern()) {
      case Double -> DType.F64;
      case Float -> DType.F32;
      case Half -> DType.F16;
      case BFloat16 -> DType.BF16;
      case Long -> DType.I64;
      case Int -> DType.I32;
      case Short -> DType.I16;
      case Char -> DType.I8;
      case Byte -> DType.U8;
      case Bool -> DType.BOOL;
      default -> throw new IllegalStateException("element type " + raw.scalar_type());
    };
  }

  /** Where it lives. */
  public Device device() {
    if (raw.is_meta()) return Device.NONE;
    return raw.is_cuda() ? new Device(true, raw.device().index()) : Device.CPU;
  }

  /**
   * The elements as native memory, shared, not copied. Needs a contiguous tensor on the CPU; valid
   * while the tensor is.
   */
  public MemorySegment segment() {
    if (!raw.is_contiguous() || raw.is_cuda()) {
      throw new IllegalStateException("segment() needs a contiguous CPU tensor: " + this);
    }
    // An empty tensor has no memory at all.
    if (raw.nbytes() == 0) return MemorySegment.NULL;
    return MemorySegment.ofAddress(raw.data_ptr().address()).reinterpret(raw.nbytes());
  }

  /** All elements as floats, row-major, copied. */
  public float[] toFloats() {
    try (Scope scope = Scope.open()) {
      return to(Device.CPU).to(DType.F32).contiguous().segment().toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  /** All elements as doubles, row-major, copied. */
  public double[] toDoubles() {
    try (Scope scope = Scope.open()) {
      return to(Device.CPU).to(DType.F64).contiguous().segment().toArray(ValueLayout.JAVA_DOUBLE);
    }
  }

  /** All elements as longs, row-major, copied. */
  public long[] toLongs() {
    try (Scope scope = Scope.open()) {
      return to(Device.CPU).to(DType.I64).contiguous().segment().toArray(ValueLayout.JAVA_LONG);
    }
  }

  /** The only element, as a double. */
  public double item() {
    if (elements() != 1) throw new IllegalStateException("item() of " + this);
    try (Scope scope = Scope.open()) {
      return to(Device.CPU).to(DType.F64).raw.item_double();
    }
  }

  // ---- shapes (views where possible) ----------------------------------------------------------

  /** Same elements, other extents; one may be -1. */
  public Tensor reshape(long... shape) {
    return op("reshape" + Arrays.toString(shape), () -> raw.reshape(shape), this);
  }

  /** Swaps two dimensions. */
  public Tensor transpose(int a, int b) {
    return op("transpose", () -> raw.transpose(a, b), this);
  }

  /** Reorders dimensions. */
  public Tensor permute(long... dims) {
    return op("permute", () -> raw.permute(dims), this);
  }

  /** {@code length} entries from {@code start} along {@code dim}. */
  public Tensor narrow(int dim, long start, long length) {
    return op("narrow", () -> raw.narrow(dim, start, length), this);
  }

  /** Entry {@code index} of dimension {@code dim}, which disappears. */
  public Tensor select(int dim, long index) {
    return op("select", () -> raw.select(dim, index), this);
  }

  /**
   * All entries of dimension {@code dim}, which disappears. Differentiated, it costs one copy,
   * where as many calls of {@link #select} cost an array of zeros and a sum each.
   */
  public List<Tensor> unbind(int dim) {
    List<Tensor> entries = new ArrayList<>();
    in("unbind", () -> collect(raw.unbind(dim), entries), this);
    return entries;
  }

  private static void collect(TensorVector all, List<Tensor> entries) {
    for (long i = 0; i < all.size(); i++) {
      entries.add(new Tensor(new org.bytedeco.pytorch.Tensor(all.get(i))));
    }
  }

  /** Repeats dimensions of extent 1 without copying. */
  public Tensor expand(long... shape) {
    return op("expand" + Arrays.toString(shape), () -> raw.expand(shape), this);
  }

  /** Rows of dimension {@code dim} chosen by {@code index} (I64). */
  public Tensor indexSelect(int dim, Tensor index) {
    return op("indexSelect", () -> raw.index_select(dim, index.raw), this, index);
  }

  /** Along {@code dim}, the entries named by {@code index} (I64, its shape is the result's). */
  public Tensor gather(int dim, Tensor index) {
    return op("gather", () -> raw.gather(dim, index.raw), this, index);
  }

  /** Itself when row-major without gaps, else a copy that is. */
  public Tensor contiguous() {
    return raw.is_contiguous() ? this : op("contiguous", raw::contiguous, this);
  }

  /** A copy. */
  public Tensor copy() {
    return op("copy", raw::clone, this);
  }

  /** Itself, or a copy with another element type. */
  public Tensor to(DType dtype) {
    return dtype() == dtype ? this : op("to " + dtype, () -> raw.to(torchType(dtype)), this);
  }

  /** Itself, or a copy on another device. */
  public Tensor to(Device device) {
    if (device().equals(device)) return this;
    return op("to " + device, () -> raw.to(device.raw(), raw.scalar_type()), this);
  }

  // ---- arithmetic -----------------------------------------------------------------------------

  /** Sum, broadcasting. */
  public Tensor add(Tensor other) {
    return op("add", () -> raw.add(other.raw), this, other);
  }

  /** Difference, broadcasting. */
  public Tensor sub(Tensor other) {
    return op("sub", () -> raw.sub(other.raw), this, other);
  }

  /** Product, element by element, broadcasting. */
  public Tensor mul(Tensor other) {
    return op("mul", () -> raw.mul(other.raw), this, other);
  }

  /** Product with a number. */
  public Tensor mul(double factor) {
    return op("mul", () -> raw.mul(new Scalar(factor)), this);
  }

  /** Quotient, broadcasting. */
  public Tensor div(Tensor other) {
    return op("div", () -> raw.div(other.raw), this, other);
  }

  /** Adds, broadcasting {@code other}. */
  public Tensor addInPlace(Tensor other) {
    return in("addInPlace", () -> raw.add_(other.raw), this, other);
  }

  /** Adds {@code factor · other}. */
  public Tensor addInPlace(Tensor other, double factor) {
    return in("addInPlace", () -> raw.add_(other.raw, new Scalar(factor)), this, other);
  }

  /** Adds a number. */
  public Tensor addInPlace(double number) {
    return in("addInPlace", () -> raw.add_(new Scalar(number)), this);
  }

  /** Subtracts, broadcasting {@code other}. */
  public Tensor subInPlace(Tensor other) {
    return in("subInPlace", () -> raw.sub_(other.raw), this, other);
  }

  /** Multiplies, broadcasting {@code other}. */
  public Tensor mulInPlace(Tensor other) {
    return in("mulInPlace", () -> raw.mul_(other.raw), this, other);
  }

  /** Multiplies by a number. */
  public Tensor mulInPlace(double factor) {
    return in("mulInPlace", () -> raw.mul_(new Scalar(factor)), this);
  }

  /** Divides, broadcasting {@code other}. */
  public Tensor divInPlace(Tensor other) {
    return in("divInPlace", () -> raw.div_(other.raw), this, other);
  }

  /** Adds {@code factor · a · b}, element by element. */
  public Tensor addProductInPlace(Tensor a, Tensor b, double factor) {
    return in(
        "addProductInPlace", () -> raw.addcmul_(a.raw, b.raw, new Scalar(factor)), this, a, b);
  }

  /** Adds {@code factor · a / b}, element by element. */
  public Tensor addQuotientInPlace(Tensor a, Tensor b, double factor) {
    return in(
        "addQuotientInPlace", () -> raw.addcdiv_(a.raw, b.raw, new Scalar(factor)), this, a, b);
  }

  /** Overwrites with {@code other}, converting and broadcasting. */
  public Tensor copyFrom(Tensor other) {
    return in("copyFrom", () -> raw.copy_(other.raw), this, other);
  }

  /** Overwrites every element with a number. */
  public Tensor fillInPlace(double number) {
    return in("fillInPlace", () -> raw.fill_(new Scalar(number)), this);
  }

  /**
   * Overwrites, along {@code dim}, the entries named by {@code index} (I64) with {@code source}.
   */
  public Tensor scatterInPlace(int dim, Tensor index, Tensor source) {
    return in(
        "scatterInPlace", () -> raw.scatter_(dim, index.raw, source.raw), this, index, source);
  }

  /** Adds the rows of {@code source} to those that {@code index} (I64) names, along dimension 0. */
  public Tensor addRowsInPlace(Tensor index, Tensor source) {
    return in(
        "addRowsInPlace", () -> raw.index_add_(0, index.raw, source.raw), this, index, source);
  }

  /** Square root of every element. */
  public Tensor sqrt() {
    return op("sqrt", raw::sqrt, this);
  }

  /** This where {@code by} exceeds 0, else 0; same shape. */
  public Tensor whereAboveZero(Tensor by) {
    return op(
        "whereAboveZero", () -> torch.threshold_backward(raw, by.raw, new Scalar(0.0)), this, by);
  }

  /** Whether each element exceeds 0, as BOOL. */
  public Tensor isAboveZero() {
    return op("isAboveZero", () -> raw.gt(new Scalar(0.0)), this);
  }

  /** This where it is at least {@code bound}, which is broadcast, else 0. */
  public Tensor whereAtLeast(Tensor bound) {
    return op("whereAtLeast", () -> raw.mul(raw.ge(bound.raw)), this, bound);
  }

  /** The k-th largest element along the last dimension, which stays as 1. */
  public Tensor largest(long k) {
    return op(
        "largest",
        () -> {
          var both = raw.topk(k);
          return both.get0().narrow(-1, k - 1, 1).clone();
        },
        this);
  }

  /** The {@code k} largest elements of all, in descending order. */
  public Tensor topK(long k) {
    return op("topK", () -> raw.flatten().topk(k).get0().clone(), this);
  }

  /** Negative elements become 0. */
  public Tensor reluInPlace() {
    return in("reluInPlace", () -> raw.clamp_(scalarOptional(0), noScalar()), this);
  }

  /** No element stays below {@code low}. */
  public Tensor clampMinInPlace(double low) {
    return in("clampMinInPlace", () -> raw.clamp_(scalarOptional(low), noScalar()), this);
  }

  /** e to the power of every element. */
  public Tensor exp() {
    return op("exp", raw::exp, this);
  }

  /** σ(x) = 1/(1 + exp(−x)), element by element. */
  public Tensor sigmoid() {
    return op("sigmoid", raw::sigmoid, this);
  }

  /** SiLU, x·σ(x), as a new tensor. */
  public Tensor silu() {
    return op("silu", () -> torch.silu(raw), this);
  }

  /** Exact GELU, x·Φ(x). */
  public Tensor geluInPlace() {
    return in("geluInPlace", () -> torch.gelu_(raw), this);
  }

  /** GELU by the hyperbolic tangent. */
  public Tensor geluTanhInPlace() {
    return in("geluTanhInPlace", () -> torch.gelu_(raw, "tanh"), this);
  }

  /** SiLU, x·σ(x). */
  public Tensor siluInPlace() {
    return in("siluInPlace", () -> torch.silu_(raw), this);
  }

  // ---- reductions -----------------------------------------------------------------------------

  /** Whether no element is NaN or infinite. */
  public boolean isFinite() {
    try (Scope scope = Scope.open()) {
      // A finite sum has finite terms; large terms that overflow it are checked one by one.
      return Double.isFinite(sum(DType.F32).item())
          || op("isfinite", () -> torch.isfinite(raw).all(), this).item() != 0;
    }
  }

  /** Sum of all elements, accumulated in {@code dtype}. */
  public Tensor sum(DType dtype) {
    return op("sum", () -> raw.sum(new ScalarTypeOptional(torchType(dtype))), this);
  }

  /**
   * Sum along {@code dim}, accumulated and returned in {@code dtype}; the dimension stays as 1 if
   * {@code keep}.
   */
  public Tensor sum(int dim, boolean keep, DType dtype) {
    return op(
        "sum",
        () -> raw.sum(new long[] {dim}, keep, new ScalarTypeOptional(torchType(dtype))),
        this);
  }

  /** Mean along {@code dim}; kept as 1 on request. */
  public Tensor mean(int dim, boolean keep) {
    return op("mean", () -> raw.mean(new long[] {dim}, keep, new ScalarTypeOptional()), this);
  }

  /** Unbiased standard deviation along {@code dim} (divides by n − 1); the dimension stays as 1. */
  public Tensor std(int dim) {
    return op("std", () -> raw.std(new long[] {dim}, true, true), this);
  }

  /** Euclidean norm along {@code dim}; the dimension stays as 1. */
  public Tensor norm(int dim) {
    return op(
        "norm",
        () ->
            torch.linalg_vector_norm(
                raw, new Scalar(2.0), new long[] {dim}, true, new ScalarTypeOptional()),
        this);
  }

  /** Rows scaled to unit Euclidean norm along the last dimension. */
  public Tensor unit() {
    try (Scope scope = Scope.open()) {
      return scope.keep(div(norm(-1).clampMinInPlace(1e-12)));
    }
  }

  /** Logarithm of the softmax along {@code dim}. */
  public Tensor logSoftmax(int dim) {
    return op("logSoftmax", () -> torch.log_softmax(raw, dim), this);
  }

  /** The diagonal of a matrix. */
  public Tensor diagonal() {
    return op("diagonal", raw::diagonal, this);
  }

  /** Softmax along the last dimension. */
  public Tensor softmax() {
    return op("softmax", () -> torch.softmax(raw, -1), this);
  }

  // ---- matrices -------------------------------------------------------------------------------

  /**
   * Itself; or a copy in fp32 where {@link Bf16Arithmetic} would compute each of its products in
   * fp32 and round it: what follows then rounds once, at its end.
   */
  public Tensor forProducts() {
    return Products.widens(raw) ? to(DType.F32) : this;
  }

  /** Matrix product, [n,k]·[k,m], or batched; of bf16 as {@link Bf16Arithmetic} says. */
  public Tensor matmul(Tensor other) {
    return op("matmul", () -> Products.matmul(raw, other.raw), this, other);
  }

  /**
   * {@code x·Wᵀ + bias}, [n,in] → [n,out]; of bf16 as {@link Bf16Arithmetic} says.
   *
   * @param weight [out,in]
   * @param bias [out], or null
   */
  public Tensor linear(Tensor weight, @Nullable Tensor bias) {
    var added = bias == null ? null : bias.raw;
    return op("linear", () -> Products.linear(raw, weight.raw, added), this, weight);
  }

  /**
   * LayerNorm over the last dimension: {@code (x − mean)/√(var + eps) · weight + bias}, variance
   * biased.
   */
  public Tensor layerNorm(Tensor weight, Tensor bias, double eps) {
    return op(
        "layerNorm",
        () ->
            torch.layer_norm(
                raw,
                new long[] {weight.size(0)},
                new TensorOptional(weight.raw),
                new TensorOptional(bias.raw),
                eps,
                true),
        this,
        weight);
  }

  /**
   * Scaled dot-product attention; this, key and value are [b, heads, t, d/heads].
   *
   * @param causal whether a token sees only itself and those before it
   */
  public Tensor attention(Tensor key, Tensor value, boolean causal) {
    return op(
        "attention", () -> Products.attention(raw, key.raw, value.raw, causal), this, key, value);
  }

  // ---- gradients ------------------------------------------------------------------------------

  /**
   * A view of the same memory that collects its gradient, by addition, in {@code gradient}.
   *
   * @param gradient same shape and element type
   */
  public Tensor trainable(Tensor gradient) {
    return op(
        "trainable",
        () -> {
          var leaf = raw.detach().requires_grad_(true);
          leaf.mutable_grad().put(gradient.raw);
          return leaf;
        },
        this,
        gradient);
  }

  /** Adds this scalar's derivatives to the gradients of the trainable tensors it came from. */
  public void backward() {
    in("backward", raw::backward, this);
  }

  @Override
  public void close() {
    raw.close();
  }

  @Override
  public String toString() {
    return dtype() + Arrays.toString(shape()) + (raw.is_cuda() ? " on " + device() : "");
  }

  // ---- plumbing -------------------------------------------------------------------------------

  private static Tensor op(
      String name, Supplier<org.bytedeco.pytorch.Tensor> body, Tensor... operands) {
    try {
      return new Tensor(body.get());
    } catch (RuntimeException e) {
      throw failure(name, e, operands);
    }
  }

  private Tensor in(String name, Runnable body, Tensor... operands) {
    try {
      body.run();
      return this;
    } catch (RuntimeException e) {
      throw failure(name, e, operands);
    }
  }

  /** libtorch's text is dozens of lines with a native stack trace: one line of it helps. */
  private static RuntimeException failure(String name, RuntimeException e, Tensor... operands) {
    if (e instanceof EngineException || e.getMessage() == null) return e;
    StringBuilder text = new StringBuilder(name);
    for (Tensor operand : operands) {
      if (!operand.raw.isNull()) text.append(' ').append(operand);
    }
    return new EngineException(text + ": " + e.getMessage().lines().findFirst().orElse(""), e);
  }

  private static int checked(int given, Tensor tensor) {
    if (given != tensor.elements()) {
      throw new IllegalArgumentException(given + " values for " + tensor);
    }
    return given;
  }

  private static org.bytedeco.pytorch.ScalarOptional scalarOptional(double value) {
    return new org.bytedeco.pytorch.ScalarOptional(new Scalar(value));
  }

  private static org.bytedeco.pytorch.ScalarOptional noScalar() {
    return new org.bytedeco.pytorch.ScalarOptional();
  }

  private static torch.ScalarType torchType(DType dtype) {
    return switch (dtype) {
      case F64 -> torch.ScalarType.Double;
      case F32 -> torch.ScalarType.Float;
      case F16 -> torch.ScalarType.Half;
      case BF16 -> torch.ScalarType.BFloat16;
      case I64 -> torch.ScalarType.Long;
      case I32 -> torch.ScalarType.Int;
      case I16 -> torch.ScalarType.Short;
      case I8 -> torch.ScalarType.Char;
      case U8 -> torch.ScalarType.Byte;
      case BOOL -> torch.ScalarType.Bool;
    };
  }

  /** A bare address as JavaCPP wants it. */
  private static final class Address extends Pointer {
    Address(long address) {
      this.address = address;
    }
  }
}
