// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The SAEs that the first paper's authors released, as folders under the names of their
 * repositories (organisation Prisma-Multimodal). Each stage of the recipe that trains such SAEs has
 * a need of its own, met where all of its SAEs are there.
 */
record ReleasedSaes(List<Path> folders) {
  /** The model's layers. */
  private static final int LAYERS = 12;

  private static final String ALL_TOKENS = "sparse-autoencoder-clip-b-32-sae-vanilla-x64-layer-";

  /** Names by need, as patterns: some end in figures of their training. */
  private static final Map<String, List<String>> NEEDS = needs();

  static ReleasedSaes of(Path place) {
    try (Stream<Path> all = Files.list(place)) {
      return new ReleasedSaes(all.filter(Files::isDirectory).sorted().toList());
    } catch (IOException e) {
      throw new InputException(place, "cannot be listed: " + Reasons.of(e), "Check it", e);
    }
  }

  private static Map<String, List<String>> needs() {
    Map<String, List<String>> needs = new LinkedHashMap<>();
    // Of layer 2 only 5e-5 was released.
    needs.put("vanilla", layers(layer -> residual(layer, layer == 2 ? "5e-05" : "1e-05")));
    needs.put("vanilla-2", List.of(residual(2, "5e-05")));
    needs.put("sparse", Stream.of(3, 4, 11).map(layer -> residual(layer, "0.0001")).toList());
    needs.put("card-0-8e-5", List.of(residual(0, "8e-05")));
    needs.put("card-0-5e-5", List.of(residual(0, "5e-05")));
    needs.put("card-11-8e-5", List.of(residual(11, "8e-05")));
    needs.put("card-mlp-9", List.of(ALL_TOKENS + "9-hook_mlp_out-l1-0.0001"));
    needs.put("card-mlp-11", List.of(ALL_TOKENS + "11-hook_mlp_out-l1-5e-05"));
    needs.put("cls", layers(layer -> "sae-top_k-64-cls_only-layer_" + layer + "-hook_resid_post"));
    needs.put(
        "cls-vanilla",
        layers(layer -> "imagenet-sweep-vanilla-x64-CLS_" + layer + "-hook_resid_post"));
    return needs;
  }

  private static String residual(int layer, String l1) {
    return ALL_TOKENS + layer + "-hook_resid_post-l1-" + l1;
  }

  private static List<String> layers(IntFunction<String> name) {
    return IntStream.range(0, LAYERS).mapToObj(name).toList();
  }

  /** The needs that they meet, with the folders in the order of layers. */
  String into(PreparedSets sets) {
    List<String> met = new ArrayList<>();
    NEEDS.forEach(
        (need, names) -> {
          List<String> found = new ArrayList<>();
          String lacks = "";
          for (String name : names) {
            Pattern pattern = Pattern.compile(Pattern.quote(name) + "(-\\d.*)?");
            List<Path> fit =
                folders.stream()
                    .filter(folder -> pattern.matcher(folder.getFileName().toString()).matches())
                    .toList();
            if (fit.size() == 1) found.add(fit.getFirst().toString());
            else if (lacks.isEmpty()) lacks = (fit.isEmpty() ? "no " : "more than one ") + name;
          }
          if (lacks.isEmpty()) {
            met.add(need);
            sets.met("saes-" + need);
            sets.put("saes-" + need, found.toArray(String[]::new));
          } else {
            sets.unmet("saes-" + need, "of the released SAEs there is " + lacks);
          }
        });
    return met.isEmpty() ? "none of the stages' SAEs is whole" : "for " + String.join(", ", met);
  }
}
