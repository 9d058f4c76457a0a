// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.InputException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * How an SAE is trained: its sparsity and its loss. Errors are in normalised units unless the loss
 * states otherwise.
 */
public sealed interface SaeVariant {
  /** The variant as written on the command line, {@code topk:k=32}. */
  String spelling();

  /** How errors are weighted. */
  default Loss loss() {
    return Loss.MSE;
  }

  /** Normalisation of the squared error. */
  enum Loss {
    /** Mean over tokens and coordinates. */
    MSE,
    /**
     * The paper's code: mean over tokens and coordinates of {@code (x̂ − x)² / ‖x − x̄‖₂}, in the
     * units of x, x̄ the batch's mean.
     */
    PAPER,
    /** Fraction of variance unexplained: {@code Σ‖ẑ − z‖² / Σ‖z − z̄‖²} over the batch. */
    FVU,
    /**
     * The same for each token: mean over tokens of {@code ‖ẑ − z‖² / ‖z − z̄‖²}, so that tokens far
     * from the mean weigh no more than others.
     */
    TOKEN_FVU,
    /**
     * MSE with the weight of massive tokens clipped: {@code min(1, 4 m² / ‖z − z̄‖²)}, m the median
     * of {@code ‖z − z̄‖} over the batch.
     */
    CLIPPED;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * ReLU with {@code l1 · mean over tokens of Σ_j f_j} (decoder rows have length 1).
   *
   * @param l1 at least 0
   * @param ghost whether dead features learn by ghost gradients ({@link DenseGradients#addGhosts})
   */
  record Relu(double l1, Loss loss, boolean ghost) implements SaeVariant {
    @Override
    public String spelling() {
      return "relu:l1=" + number(l1) + suffix(loss) + (ghost ? ",ghost=true" : "");
    }
  }

  /**
   * The k largest pre-activations of a token stay, negative ones among them become 0.
   *
   * @param k at least 1
   * @param aux weight of the auxiliary loss that lets dead features explain the error (AuxK: Gao et
   *     al. 2024); 0 for none
   */
  record TopK(int k, double aux, Loss loss) implements SaeVariant {
    /** Without revival, by MSE. */
    public TopK(int k) {
      this(k, 0, Loss.MSE);
    }

    @Override
    public String spelling() {
      return "topk:k=" + k + (aux == 0 ? "" : ",aux=" + number(aux)) + suffix(loss);
    }
  }

  /**
   * The n·k largest positive pre-activations of a batch of n tokens stay (Bussmann et al. 2024).
   *
   * @param k at least 1
   * @param aux as {@link TopK}'s
   */
  record BatchTopK(int k, double aux, Loss loss) implements SaeVariant {
    @Override
    public String spelling() {
      return "batchtopk:k=" + k + (aux == 0 ? "" : ",aux=" + number(aux)) + suffix(loss);
    }
  }

  /**
   * A learned threshold for each feature, trained by straight-through gradients, with {@code l0 ·
   * mean over tokens of the number of active features} (Rajamanoharan et al. 2024).
   *
   * @param l0 at least 0
   * @param bandwidth width of the window around a threshold in which its gradient is nonzero
   */
  record JumpRelu(double l0, double bandwidth) implements SaeVariant {
    @Override
    public String spelling() {
      return "jumprelu:l0="
          + number(l0)
          + (bandwidth == BANDWIDTH ? "" : ",bandwidth=" + number(bandwidth));
    }
  }

  /**
   * BatchTopK whose first features must reconstruct on their own as well: the loss is the mean over
   * the first {@code F/2^(groups−1), …, F/2, F} features (Bussmann et al. 2025).
   *
   * @param k at least 1
   * @param groups how many, at least 2
   */
  record Matryoshka(int k, int groups) implements SaeVariant {
    @Override
    public String spelling() {
      return "matryoshka:k=" + k + (groups == GROUPS ? "" : ",groups=" + groups);
    }

    /** One past the last feature of each group, of so many in all. */
    int[] bounds(int features) {
      int[] bounds = new int[groups];
      for (int g = 0; g < groups; g++) bounds[g] = Math.max(1, features >> (groups - 1 - g));
      return bounds;
    }
  }

  /** Default of JumpReLU's window, as in SAELens. */
  double BANDWIDTH = 0.05;

  /** Default number of Matryoshka's groups. */
  int GROUPS = 5;

  /** Number of active features per token where the variant fixes it, else 0. */
  default int k() {
    return switch (this) {
      case TopK top -> top.k();
      case BatchTopK top -> top.k();
      case Matryoshka top -> top.k();
      case Relu relu -> 0;
      case JumpRelu jump -> 0;
    };
  }

  /** Weight of the revival loss. */
  default double aux() {
    return switch (this) {
      case TopK top -> top.aux();
      case BatchTopK top -> top.aux();
      case Matryoshka top -> 0;
      case Relu relu -> 0;
      case JumpRelu jump -> 0;
    };
  }

  /** The same with its penalty multiplied. */
  default SaeVariant scaled(double factor) {
    if (factor == 1) return this;
    return switch (this) {
      case Relu relu -> new Relu(relu.l1() * factor, relu.loss(), relu.ghost());
      case JumpRelu jump -> new JumpRelu(jump.l0() * factor, jump.bandwidth());
      case TopK top -> top;
      case BatchTopK top -> top;
      case Matryoshka top -> top;
    };
  }

  private static String suffix(Loss loss) {
    return loss == Loss.MSE ? "" : ",loss=" + loss;
  }

  private static String number(double value) {
    String text = Double.toString(value);
    return text.endsWith(".0")
        ? text.substring(0, text.length() - 2)
        : text.toLowerCase(Locale.ROOT);
  }

  /** Reads {@code topk:k=32}, {@code relu:l1=1e-4,loss=paper} and the like. */
  static SaeVariant parse(String text) {
    int colon = text.indexOf(':');
    String name = colon < 0 ? text : text.substring(0, colon);
    Map<String, String> given = new LinkedHashMap<>();
    if (colon >= 0) {
      for (String part : text.substring(colon + 1).split(",", -1)) {
        int equals = part.indexOf('=');
        if (equals < 1
            || given.put(part.substring(0, equals), part.substring(equals + 1)) != null) {
          throw wrong(text);
        }
      }
    }
    Set<String> known =
        switch (name) {
          case "relu" -> Set.of("l1", "loss", "ghost");
          case "topk", "batchtopk" -> Set.of("k", "aux", "loss");
          case "jumprelu" -> Set.of("l0", "bandwidth");
          case "matryoshka" -> Set.of("k", "groups");
          default -> throw wrong(text);
        };
    if (!known.containsAll(given.keySet())) throw wrong(text);
    return switch (name) {
      case "relu" ->
          new Relu(real(text, given, "l1", null, 0, 1e6), loss(text, given), ghost(text, given));
      case "topk" ->
          new TopK(whole(text, given, "k", null, 1), aux(text, given), loss(text, given));
      case "batchtopk" ->
          new BatchTopK(whole(text, given, "k", null, 1), aux(text, given), loss(text, given));
      case "jumprelu" ->
          new JumpRelu(
              real(text, given, "l0", null, 0, 1e6),
              real(text, given, "bandwidth", Double.toString(BANDWIDTH), 1e-9, 10));
      default ->
          new Matryoshka(
              whole(text, given, "k", null, 1),
              whole(text, given, "groups", Integer.toString(GROUPS), 2));
    };
  }

  private static Loss loss(String text, Map<String, String> given) {
    String name = given.getOrDefault("loss", "mse");
    return Stream.of(Loss.values())
        .filter(loss -> loss.toString().equals(name))
        .findFirst()
        .orElseThrow(() -> wrong(text));
  }

  private static double aux(String text, Map<String, String> given) {
    return real(text, given, "aux", "0", 0, 1e3);
  }

  private static boolean ghost(String text, Map<String, String> given) {
    return switch (given.getOrDefault("ghost", "false")) {
      case "true" -> true;
      case "false" -> false;
      default -> throw wrong(text);
    };
  }

  private static int whole(
      String text, Map<String, String> given, String key, @Nullable String fallback, int low) {
    String value = given.getOrDefault(key, fallback == null ? "" : fallback);
    if (!value.matches("\\d{1,6}") || Integer.parseInt(value) < low) throw wrong(text);
    return Integer.parseInt(value);
  }

  private static double real(
      String text,
      Map<String, String> given,
      String key,
      @Nullable String fallback,
      double low,
      double high) {
    String value = given.getOrDefault(key, fallback == null ? "" : fallback);
    if (!value.matches("[0-9.]+([eE][-+]?\\d{1,3})?")) throw wrong(text);
    try {
      double number = Double.parseDouble(value);
      if (number >= low && number <= high) return number;
    } catch (NumberFormatException e) {
      throw wrong(text);
    }
    throw wrong(text);
  }

  private static InputException wrong(String text) {
    return new InputException(
        "--sae " + text,
        "not an SAE this version trains",
        "Write topk:k=32[,aux=0.03], batchtopk:k=32[,aux=0.03], relu:l1=1e-4,"
            + " jumprelu:l0=1e-3[,bandwidth=0.05] or matryoshka:k=32[,groups=5]; the first three"
            + " also with loss=mse|paper|fvu|token_fvu|clipped");
  }
}
