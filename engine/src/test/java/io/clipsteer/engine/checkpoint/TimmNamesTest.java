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
    TimmTrunk shape = TimmShape.of(TimmNames.of(name, "a test"), pool, "a test");
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
    "eva02_enormous_patch14_clip_224, use_post_norm",
    "naflexvit_base_patch16_siglip, NaFlexVit",
    "aimv2_1b_patch14_224, RmsNorm",
    "beit_base_patch16_224, Beit",
    "vit_giant_patch14_dinov2, GluMlp",
    "vit_base_mci_224, HybridEmbed",
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

  @ParameterizedTest
  @CsvSource({
    "vit_base_patch16_siglip_224, 768, 3072, gelu, 1e-6, map, 0, 224",
    "vit_base_patch32_siglip_256, 768, 3072, gelu_tanh, 1e-6, map, 0, 256",
    "vit_so400m_patch14_siglip_378, 1152, 4304, gelu, 1e-6, map, 0, 378",
    "vit_so400m_patch16_siglip_384, 1152, 4304, gelu_tanh, 1e-6, map, 0, 384",
    "vit_giantopt_patch16_siglip_256, 1536, 6144, gelu_tanh, 1e-6, map, 0, 256",
    "vit_small_patch16_dinov3, 384, 1536, gelu, 1e-5, avg, 5, 256",
    "vit_small_plus_patch16_dinov3, 384, 1536, swiglu, 1e-5, avg, 5, 256",
    "vit_7b_patch16_dinov3, 4096, 8192, swiglu, 1e-5, avg, 5, 256",
    "vit_pe_core_base_patch16_224, 768, 3072, gelu, 1e-5, map, 1, 224",
    "vit_pe_spatial_base_patch16_512, 768, 3072, gelu, 1e-5, avg, 1, 512",
    "eva02_base_patch16_clip_224, 768, 2048, swiglu, 1e-6, token, 1, 224",
    "eva02_large_patch14_clip_336, 1024, 2730, swiglu, 1e-6, token, 1, 336"
  })
  void recentFamilies(
      String name,
      int width,
      int hidden,
      String act,
      double eps,
      String pool,
      int prefix,
      int image) {
    TimmNames names = TimmNames.of(name, "a test");
    TimmTrunk trunk = TimmShape.of(names, names.text("default_global_pool"), "a test");
    assertEquals(width, trunk.width());
    assertEquals(hidden, trunk.blocks().hidden());
    assertEquals(act, trunk.blocks().activation().name().toLowerCase(java.util.Locale.ROOT));
    assertEquals(eps, trunk.blocks().eps());
    assertEquals(pool, trunk.pool());
    assertEquals(prefix, trunk.prefix());
    assertEquals(image, trunk.patches().imageSize());
  }

  @Test
  void theNormMovesBehindThePoolingWhereTimmPutsIt() {
    TimmNames name = TimmNames.of("vit_base_patch16_224", "a test");
    assertEquals("fc_norm", TimmShape.of(name, "avg", "a test").finalNorm());
    assertEquals("norm", TimmShape.of(name, "token", "a test").finalNorm());
  }
}
