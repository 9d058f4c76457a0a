// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.engine.model.HookPoint;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Names of hook points as the tools write them, in this program's words where it has the place:
 * {@code blocks.7.hook_resid_pre} is {@code blocks.6.hook_resid_post}.
 */
final class HookNames {
  /** dictionary_learning's way. */
  private static final Pattern NAMED =
      Pattern.compile("(resid_post|resid_pre|mlp_out)_layer_(\\d{1,4})");

  /** A module's path in the model: the output of a block or of its MLP. */
  private static final Pattern MODULE =
      Pattern.compile("(.*\\.)?(?:layers|resblocks|blocks)\\.(\\d{1,4})(\\.mlp)?");

  private HookNames() {}

  /**
   * Reads a name; the name of another site is unchanged.
   *
   * @param notes gets a sentence when the name is read as another one
   */
  static @Nullable String read(@Nullable String name, List<String> notes) {
    if (name == null || name.isBlank()) return null;
    String read = translated(name);
    if (!read.equals(name)) notes.add("its hook point " + name + " is " + read);
    return read;
  }

  /** The same without a word. */
  static String translated(String name) {
    Matcher named = NAMED.matcher(name);
    if (named.matches()) {
      return known("blocks." + named.group(2) + ".hook_" + named.group(1));
    }
    Matcher module = MODULE.matcher(name);
    if (module.matches()) {
      String above = module.group(1) == null ? "" : module.group(1);
      // OpenAI's and open_clip's own text tower has no prefix, so the tower is ambiguous.
      if (above.equals("transformer.")) return name;
      String tower = above.startsWith("text") || above.contains(".text_model.") ? "text." : "";
      String site = module.group(3) == null ? ".hook_resid_post" : ".hook_mlp_out";
      return tower + "blocks." + module.group(2) + site;
    }
    return known(name);
  }

  private static String known(String name) {
    HookPoint point = HookPoint.find(name);
    return point == null ? name : point.peerName();
  }
}
