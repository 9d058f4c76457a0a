// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A set that a paper needs: how its folder or file is called and looks.
 *
 * @param name in recipes
 * @param places below the folder of all sets, the first that is there is taken
 * @param looks what is in it
 */
public record SetLayout(String name, List<String> places, String looks) {
  private static final List<SetLayout> ALL =
      List.of(
          of(
              "imagenet",
              "imagenet ImageNet ILSVRC2012 ILSVRC/Data/CLS-LOC",
              "train/n01440764/*.JPEG and val/n01440764/*.JPEG (or val/*.JPEG with"
                  + " LOC_val_solution.csv), and LOC_synset_mapping.txt with a line n01440764"
                  + " tench, Tinca tinca for each class, here or beside the folder"),
          of(
              "words",
              "20k.txt clip_dissect_raw.txt CLIP-dissect/data/20k.txt",
              "CLIP-Dissect's data/20k.txt, a word a line; the first 5,000 are read"),
          of(
              "celeba",
              "celeba CelebA",
              "img_align_celeba/*.jpg, list_attr_celeba.txt and list_eval_partition.txt (or .csv)"),
          of(
              "waterbirds",
              "waterbirds waterbird_complete95_forest2water2",
              "metadata.csv with img_filename, y, split, place, and the images that it names"),
          of("rta-100", "RTA-100 rta-100 rta100", "label=dog_text=cat.png and so on"),
          of(
              "disentangling",
              "disentangling Disentangling typographic_attack_dataset",
              "annotations.json and images/"),
          of("paint", "PAINT paint PAINT-DS", "label=dog_text=cat.jpg and so on"),
          of(
              "saes",
              "saes Prisma-Multimodal",
              "the released SAEs, instead of training: folders by the names of their"
                  + " repositories, as sparse-autoencoder-clip-b-32-sae-vanilla-x64-layer-8-"
                  + "hook_resid_post-l1-1e-05/ with config.json and weights"),
          of(
              "cub",
              "CUB_200_2011 cub CUB",
              "images/, images.txt, image_class_labels.txt, train_test_split.txt, classes.txt"),
          of(
              "ade20k",
              "ADEChallengeData2016 ade20k camvid",
              "images/{training,validation}/*.jpg, annotations/{training,validation}/*.png and"
                  + " objectInfo150.txt (or a set of your own in its place: train/ and validation/"
                  + " with images/ and masks/, and classes.txt)"));

  private static SetLayout of(String name, String places, String looks) {
    return new SetLayout(name, Arrays.asList(places.split(" ")), looks);
  }

  /** Those of a paper. */
  public static List<SetLayout> of(String paper) {
    List<String> names =
        paper.equals("saev")
            ? List.of("imagenet", "cub", "ade20k")
            : List.of(
                "imagenet",
                "words",
                "celeba",
                "waterbirds",
                "rta-100",
                "disentangling",
                "paint",
                "saes");
    return ALL.stream().filter(set -> names.contains(set.name)).toList();
  }

  /** Where it lies below a folder of sets; null where it does not. */
  public @Nullable Path find(Path data) {
    return places.stream().map(data::resolve).filter(Files::exists).findFirst().orElse(null);
  }
}
