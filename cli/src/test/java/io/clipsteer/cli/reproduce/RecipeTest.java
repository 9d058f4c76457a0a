// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.reproduce.PublishedRow;
import io.clipsteer.lab.reproduce.PublishedTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/** Recipes, their placeholders, and sets in other forms. */
final class RecipeTest {
  @TempDir private Path temp;

  private static RecipeValues values(double scale, int layers) {
    return new RecipeValues(
        Map.of("model", List.of("m"), "none", List.of()), scale, layers, 24, false);
  }

  private static List<String> filled(RecipeValues values, String... line) {
    return values.fill(
        List.of(line), name -> JsonMapper.shared().readTree("{\"classes\": [{\"feature\": 7}]}"));
  }

  @Test
  void everyRowOfTheTableHasAStageOfTheRecipe() {
    for (String paper : List.of("steering-clip", "saev")) {
      Recipe recipe = Recipe.read(paper);
      Set<String> names = new HashSet<>();
      for (Recipe.RecipeStage stage : recipe.stages()) {
        assertTrue(names.containsAll(stage.stages()), stage.name() + " needs a later stage");
        assertTrue(names.add(stage.name()), stage.name());
      }
      Set<String> unknown = new TreeSet<>();
      for (PublishedRow row : PublishedTable.of(paper)) {
        if (row.isMeasured() && !names.contains(row.stage())) unknown.add(row.id());
      }
      assertEquals(Set.of(), unknown);
    }
  }

  @Test
  void placeholders() {
    assertEquals(
        List.of("--limit", "192", "m/x"),
        filled(values(1, 12), "--limit", "{192/64}", "{model}/x"));
    assertEquals(List.of("64"), filled(values(0.01, 12), "{192/64}"));
    assertEquals(List.of("7,8"), filled(values(1, 12), "{layers:7-8}"));
    assertEquals(List.of("0,1,2"), filled(values(1, 3), "{layers:0-11}"));
    assertEquals(List.of("21"), filled(values(1, 12), "{dino-layers:10}"));
    assertEquals(List.of("10:7=-2x"), filled(values(1, 12), "10:{result:s/classes/0/feature}=-2x"));
    assertEquals(List.of("a", "b"), filled(values(1, 12), "a", "{none}", "b"));
    assertEquals("2:ev", values(1, 3).figure("11:ev"));
    assertEquals("gain", values(1, 3).figure("gain"));
  }

  /** The stage's own options are in the place of the file's; tokens are at least a batch. */
  @Test
  void filesOfArguments() {
    List<String> whole = filled(values(1, 12), "train", "@saev-imagenet-x32.args", "--sae", "x");
    assertEquals("100000000", whole.get(whole.indexOf("--train-tokens") + 1));
    assertEquals(1, whole.stream().filter("--sae"::equals).count());
    List<String> small = filled(values(1e-5, 3), "train", "@saev-imagenet-x32.args");
    assertEquals("16384", small.get(small.indexOf("--train-tokens") + 1));
    assertEquals("2", small.get(small.indexOf("--layers") + 1));
    assertEquals(3, small.stream().filter("--sae"::equals).count());
  }

  @Test
  void onlySomeStages() {
    List<String> names =
        Recipe.read("saev").only(List.of("bird-jay")).stream()
            .map(Recipe.RecipeStage::name)
            .toList();
    assertEquals(List.of("clip", "clip-index", "cub-probe", "species-jay", "bird-jay"), names);
  }

  /** Flat validation images with Kaggle's list, and two classes of one name. */
  @Test
  void imageNetAsKaggleGivesItOut() throws IOException {
    Path place = Files.createDirectories(temp.resolve("ILSVRC/Data/CLS-LOC"));
    Files.createDirectories(place.resolve("val"));
    Files.createDirectories(place.resolve("train/n02012849"));
    for (int i = 1; i <= 3; i++) {
      Files.write(place.resolve("val/ILSVRC2012_val_0000000" + i + ".JPEG"), new byte[] {1});
    }
    Files.writeString(
        temp.resolve("LOC_synset_mapping.txt"),
        "n02012849 crane\nn03126707 crane, lifting device\nn04146614 school bus\n");
    Files.writeString(
        temp.resolve("LOC_val_solution.csv"),
        """
        ImageId,PredictionString
        ILSVRC2012_val_00000001,n03126707 1 2 3 4
        ILSVRC2012_val_00000002,n02012849 1 2 3 4 n02012849 5 6 7 8
        ILSVRC2012_val_00000003,n04146614 1 2 3 4
        """);
    Path sets = temp.resolve("sets");
    PreparedSets found = PreparedSets.of("saev", temp, sets, true, null);
    assertEquals("", found.missing("imagenet-val"));
    assertTrue(Files.exists(sets.resolve("imagenet-val/crane/ILSVRC2012_val_00000002.JPEG")));
    Path second = sets.resolve("imagenet-val/lifting device/ILSVRC2012_val_00000001.JPEG");
    assertTrue(Files.isSymbolicLink(second));
    assertEquals(
        List.of("crane", "lifting device", "school bus"),
        Files.readAllLines(sets.resolve("imagenet-classes.txt")));
    assertEquals(4, Files.readAllLines(sets.resolve("imagenet-truth.tsv")).size());
    assertTrue(found.missing("cub").startsWith("no set cub in "), found.missing("cub"));
  }

  /** Test images are counted in the order of species' names, as the paper counts them. */
  @Test
  void cubsLists() throws IOException {
    Files.createDirectories(temp.resolve("cub/images"));
    Path place = temp.resolve("cub");
    Files.writeString(
        place.resolve("images.txt"),
        "1 002.Blue_Jay/b.jpg\n2 001.Zebra/z.jpg\n3 002.Blue_Jay/a.jpg\n");
    Files.writeString(place.resolve("image_class_labels.txt"), "1 2\n2 1\n3 2\n");
    Files.writeString(place.resolve("train_test_split.txt"), "1 0\n2 0\n3 1\n");
    Files.writeString(place.resolve("classes.txt"), "1 001.Zebra\n2 002.Blue_Jay\n");
    CubLists lists = CubLists.read(place);
    assertEquals(Map.of("Blue_Jay/a.jpg", "002.Blue_Jay/a.jpg"), lists.training());
    assertEquals(Set.of("Blue_Jay/b.jpg", "Zebra/z.jpg"), lists.test().keySet());
    Files.writeString(place.resolve("train_test_split.txt"), "1 0\n");
    InputException torn = assertThrows(InputException.class, () -> CubLists.read(place));
    assertTrue(String.valueOf(torn.getMessage()).contains("no class or no split"));
  }

  /** Names with several words get the first; a name that is taken gets the next behind it. */
  @Test
  void ade20ksNames() throws IOException {
    Path place = temp.resolve("ade20k");
    Files.createDirectories(place.resolve("annotations/training"));
    Files.createDirectories(place.resolve("images/training"));
    Files.write(place.resolve("images/training/ADE_train_00000001.jpg"), new byte[] {1});
    Files.writeString(
        place.resolve("objectInfo150.txt"),
        "Idx\tRatio\tName\n1\t0.1\tearth, ground\n2\t0.1\tscreen door, screen\n"
            + "3\t0.1\tscreen, silver screen\n4\t0.1\tscreen, CRT screen\n");
    Path sets = temp.resolve("prepared");
    PreparedSets found = PreparedSets.of("saev", temp, sets, true, null);
    assertEquals("", found.missing("ade20k"));
    assertEquals(
        List.of("earth", "screen door", "screen", "screen (CRT screen)"),
        Files.readAllLines(sets.resolve("ade20k/classes.txt")));
    try (Stream<Path> links = Files.list(sets.resolve("ade20k"))) {
      assertEquals(2, links.filter(Files::isSymbolicLink).count());
    }
  }
}
