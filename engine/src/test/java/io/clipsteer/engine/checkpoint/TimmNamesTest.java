// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What names of timm's say; values from the papers and model cards of each. */
final class TimmNamesTest {
  @ParameterizedTest
  @CsvSource({
    "vit_tiny_patch16_224, 192, 3, 12, 1e-6, gelu, token",
    "vit_huge_patch14_224, 1280, 16, 32, 1e-6, gelu, token",
    "vit_huge_patch14_clip_224, 1280, 16, 32, 1e-5, gelu, token",
    "vit_huge_patch14_clip_quickgelu_378, 1280, 16, 32, 1e-5, quick_gelu, token",
    "deit3_huge_patch14_224, 1280, 16, 32, 1e-6, gelu, token",
    "vit_giant_patch14_clip_224, 1408, 16, 40, 1e-5, gelu, token",
    "vit_gigantic_patch14_clip_224, 1664, 16, 48, 1e-5, gelu, token",
    "test_vit, 64, 2, 6, 1e-6, gelu, token",
    "vit_base_patch16_clip_quickgelu_224, 768, 12, 12, 1e-5, quick_gelu, token"
  })
  void sizes(String name, int width, int heads, int depth, double eps, String act, String pool) {
    TimmShape shape = TimmShape.of(TimmNames.of(name, "a test"), pool, "a test");
    assertEquals(width, shape.width());
    assertEquals(heads, shape.blocks().heads());
    assertEquals(depth, shape.blocks().layers());
    assertEquals(eps, shape.blocks().eps());
    assertEquals(act, shape.blocks().activation().name().toLowerCase(java.util.Locale.ROOT));
    assertEquals(pool, shape.pool());
    assertEquals(name.contains("_clip_"), shape.preNorm());
    assertEquals(name.startsWith("deit3"), shape.patchesOnly());
  }

  @ParameterizedTest
  @CsvSource({
    "vit_small_patch16_dinov3, Eva",
    "eva02_base_patch14_224, Eva",
    "vit_pe_core_large_patch14_336, Eva",
    "beit_base_patch16_224, Beit",
    "vit_giant_patch14_dinov2, GluMlp",
    "vit_base_mci_224, HybridEmbed",
    "vit_base_patch16_siglip_gap_224, class token",
    "vit_base_patch16_rpn_224, ResPostBlock",
    "vit_nosuch_patch16_224, no model"
  })
  void othersAreRefusedWithTheReason(String name, String reason) {
    InputException e =
        assertThrows(
            InputException.class,
            () -> TimmShape.of(TimmNames.of(name, "a test"), "token", "a test"));
    assertTrue(String.valueOf(e.getMessage()).contains(reason), e.getMessage());
  }

  @Test
  void theNormMovesBehindThePoolingWhereTimmPutsIt() {
    TimmNames name = TimmNames.of("vit_base_patch16_224", "a test");
    assertTrue(TimmShape.of(name, "avg", "a test").normAfterPool());
    assertTrue(!TimmShape.of(name, "token", "a test").normAfterPool());
  }
}
