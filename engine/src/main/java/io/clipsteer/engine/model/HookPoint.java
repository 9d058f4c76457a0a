// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import java.util.Comparator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A site in a tower where a value [b,t,d] can be read, changed, stopped at and continued from. The
 * natural order is the order in which a pass reaches them: a block's MLP comes before its end.
 *
 * @param tower which tower
 * @param layer block number, from 0
 * @param site where in the block
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record HookPoint(TowerKind tower, int layer, Site site) implements Comparable<HookPoint> {
  private static final Comparator<HookPoint> ORDER =
      Comparator.comparing(HookPoint::tower)
          .thenComparingInt(HookPoint::layer)
          .thenComparing(point -> point.site == Site.RESID_POST);

  private static final Pattern NAME =
      Pattern.compile(
          "(text\\.)?blocks\\.(\\d{1,4})\\.(hook_resid_post|hook_mlp_out|hook_resid_pre)");

  /** The value before a block is the value after the block before it. */
  private static final String BEFORE = "hook_resid_pre";

  /** The vision tower's residual stream after block {@code layer}. */
  public static HookPoint residPost(int layer) {
    return new HookPoint(TowerKind.VISION, layer, Site.RESID_POST);
  }

  /** The output of the vision tower's MLP in block {@code layer}. */
  public static HookPoint mlpOut(int layer) {
    return new HookPoint(TowerKind.VISION, layer, Site.MLP_OUT);
  }

  /**
   * Reads {@code blocks.7.hook_resid_post}; the text tower's names begin with {@code text.}. {@code
   * blocks.7.hook_resid_pre} is {@code blocks.6.hook_resid_post}.
   *
   * @throws InputException when the name is no hook point, or is the input of block 0, which is
   *     none here
   */
  public static HookPoint parse(String name) {
    HookPoint point = find(name);
    if (point != null) return point;
    if (NAME.matcher(name).matches()) {
      throw new InputException(
          name,
          "is the embedding before block 0, which this program cannot read or change",
          "Take an SAE at the output of a block");
    }
    throw new InputException(
        name, "not a hook point", "Write blocks.7.hook_resid_post or blocks.7.hook_mlp_out");
  }

  /** Reads a name; null when it is no hook point of this program. */
  public static @Nullable HookPoint find(String name) {
    Matcher m = NAME.matcher(name);
    if (!m.matches()) return null;
    int layer = Integer.parseInt(m.group(2)) - (m.group(3).equals(BEFORE) ? 1 : 0);
    if (layer < 0) return null;
    return new HookPoint(
        m.group(1) == null ? TowerKind.VISION : TowerKind.TEXT,
        layer,
        m.group(3).equals(Site.MLP_OUT.peerName()) ? Site.MLP_OUT : Site.RESID_POST);
  }

  /** The name in peers' style: {@code blocks.7.hook_resid_post}. */
  public String peerName() {
    return (tower == TowerKind.TEXT ? "text." : "") + "blocks." + layer + "." + site.peerName();
  }

  @Override
  public int compareTo(HookPoint other) {
    return ORDER.compare(this, other);
  }

  @Override
  public String toString() {
    return peerName();
  }
}
