// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.lab.suppress.PrefixSettings;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The stages of the demo, each one of the program's own commands. */
final class DemoStage {
  /** Name and command of each stage; words in capitals stand for what {@link #all} puts there. */
  private static final String SCRIPT =
      """
      model         world model --out OUT/model
      world         world evaluate --model OUT/model --count KNOWN --seed SEED
      draw-1        world generate --set mixed --split train --count TRAINING --seed SEED --out OUT/images/mixed-train
      draw-2        world generate --set mixed --split validation --count INDEXED --seed SEED --out OUT/images/mixed
      draw-3        world generate --set objects --split test --count THINGS --seed SEED --out OUT/images/objects
      draw-4        world generate --set portraits --split train --count GROUPS --seed SEED --out OUT/images/portraits-train
      draw-5        world generate --set portraits --split validation --count CHOOSING --seed SEED --out OUT/images/portraits-validation
      draw-6        world generate --set portraits --split test --count GROUPS --seed SEED --out OUT/images/portraits
      draw-7        world generate --set birds --split train --count GROUPS --seed SEED --out OUT/images/birds-train
      draw-8        world generate --set birds --split validation --count CHOOSING --seed SEED --out OUT/images/birds-validation
      draw-9        world generate --set birds --split test --count GROUPS --seed SEED --out OUT/images/birds
      draw-10       world generate --set typographic --split train --count WRITTEN --seed SEED --out OUT/images/typographic-train
      draw-11       world generate --set typographic --split validation --count WRITTEN --seed SEED --out OUT/images/typographic-validation
      draw-12       world generate --set typographic --split test --count ATTACKED --seed SEED --out OUT/images/typographic
      train         train --model OUT/model --image-batch 128 --images OUT/images/mixed-train --layers LAYERS --sae batchtopk:k=16 --expansion 8 --lr 2e-3 --train-tokens TOKENS --buffer-mb 1100 --seed SEED --out OUT/run
      evaluate      evaluate --run OUT/run --image-batch 128 --images OUT/images/objects --limit KNOWN
      index         index --run OUT/run --image-batch 128 --images OUT/images/mixed --labels OUT/images/mixed/factors.jsonl --vocabulary OUT/model/words.txt
      steerability  steerability --run OUT/run --images OUT/images/mixed --limit STEERED --vocabulary OUT/model/words.txt --screen --random-count RANDOMS --dose DOSE --seed SEED --out OUT/steerability
      portraits     suppress --run OUT/run --image-batch 128 --data celeba:OUT/images/portraits --train celeba:OUT/images/portraits-train --validation celeba:OUT/images/portraits-validation --layers TRIED --select SELECT --edit mean --screen --draws DRAWS --seed SEED --out OUT/edits/portraits
      birds         suppress --run OUT/run --image-batch 128 --data waterbirds:OUT/images/birds --train waterbirds:OUT/images/birds-train --validation waterbirds:OUT/images/birds-validation --layers TRIED --select SELECT --edit mean --screen --draws DRAWS --seed SEED --out OUT/edits/birds
      typographic   suppress --run OUT/run --image-batch 128 --data typographic:OUT/images/typographic --train typographic:OUT/images/typographic-train --validation typographic:OUT/images/typographic-validation --clean OUT/images/objects --layers READ --at patches --select energy --edit cap:0.3 --max-clean-loss 0.75 --screen --draws DRAWS --defense-prefix PREFIXED --seed SEED --out OUT/edits/typographic
      scenes-1      world generate --set objects --split train --count SCENES --seed SEED --masks --out OUT/images/scenes-train
      scenes-2      world generate --set objects --split test --count SCENES --seed SEED --masks --out OUT/images/scenes
      scenes-3      probe train --model OUT/model --data segmentation:OUT/images/scenes-train --test segmentation:OUT/images/scenes --out OUT/probes/scenes
      sand          study selectivity --run OUT/run --layer 7 --probe OUT/probes/scenes --data segmentation:OUT/images/scenes --train segmentation:OUT/images/scenes-train --class sand --scale 0 --seed SEED --out OUT/studies/sand
      species-1     world generate --set parts --split train --count SPECIES --seed SEED --out OUT/images/species-train
      species-2     world generate --set parts --split test --count SPECIES --seed SEED --out OUT/images/species
      species-3     probe train --model OUT/model --data folder:OUT/images/species-train/images --test folder:OUT/images/species/images --features embedding --out OUT/probes/species
      species       study selectivity --run OUT/run --layer PARTED --probe OUT/probes/species --data folder:OUT/images/species/images --train folder:OUT/images/species-train/images --class 019.Yellow_breasted_Green --against 020.Long_necked_Green --select effect --scale 0 --controls 7 --seed SEED --out OUT/studies/species
      report        report --run OUT/run --steerability OUT/steerability --edit OUT/edits/portraits --edit OUT/edits/birds --edit OUT/edits/typographic --study OUT/studies/sand --study OUT/studies/species --seed SEED --out OUT/report.html
      """;

  /** What a word stands for in the whole demo, in the quick one, and what it counts. */
  private static final String SIZES =
      """
      TRAINING  6000     600    images that the SAEs learn from
      TOKENS    1000000  60000  tokens that they are shown
      INDEXED   2000     300    images that features are known by
      GROUPS    4000     240    portraits, and birds, to rank on and to report on; all groups together
      CHOOSING  1200     240    the same to choose on
      THINGS    4000     320    images without writing: two quarters to rank and choose on, half to report on
      WRITTEN   1000     80     images with writing to rank on, and to choose on
      ATTACKED  2000     160    the same to report on
      STEERED   32       4      images of steerability
      RANDOMS   256      256    random directions of each layer
      DOSE      10       0      features of each SAE evaluated at several strengths
      KNOWN     500      20     images of each set that the model, and of things that SAEs are evaluated on
      LAYERS    2-7      5,7    layers with SAEs
      TRIED     3-6      5      of these, where suppression looks
      READ      2-4      5      and for written words: before the class token has read them
      SELECT    gates    mean-difference  how it ranks features of portraits and birds
      SCENES    100      60     scenes that a probe of pixels learns from, and others
      SPECIES   240      240    birds that a probe of species learns from, and others
      PARTED    4        5      where the species' feature is edited
      DRAWS     6        2      random baselines; fewer than six could not show that edits help
      PREFIXED  %d       50     steps in which Defense-Prefix is learnt
      """
          .formatted(PrefixSettings.STEPS);

  private DemoStage() {}

  /** All stages, in their order; a quick demo shows that everything runs, not what comes out. */
  static List<CommandStage> all(Path out, long seed, boolean quick) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("OUT", out);
    values.put("SEED", seed);
    for (String line : SIZES.lines().toList()) {
      String[] cells = line.split(" +", 4);
      values.put(cells[0], cells[quick ? 2 : 1]);
    }
    return SCRIPT.lines().map(line -> of(line.strip().split(" +"), values)).toList();
  }

  private static CommandStage of(String[] line, Map<String, Object> values) {
    List<String> words = Arrays.stream(line).skip(1).map(word -> filled(word, values)).toList();
    return new CommandStage(line[0], words);
  }

  private static String filled(String word, Map<String, Object> values) {
    for (Map.Entry<String, Object> value : values.entrySet()) {
      String name = value.getKey();
      if (word.equals(name)) return value.getValue().toString();
      int at = word.startsWith(name + "/") ? 0 : word.indexOf(":" + name + "/") + 1;
      if (at > 0 || word.startsWith(name + "/")) {
        return word.substring(0, at) + value.getValue() + word.substring(at + name.length());
      }
    }
    return word;
  }
}
