// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.engine.model.VisionConfig;
import java.util.List;

/**
 * What a stage costs, from measured rates. Sizes are those of the command line; the rules are
 * coarse, and name what they count.
 *
 * @param rates of this machine
 * @param config of the model
 * @param flops of the tower for an image
 * @param classes of a probe that all are studied of
 */
public record CostForecast(MeasuredRates rates, VisionConfig config, double flops, int classes) {
  /** A cluster's nodes, and the cores of each (docs/reproduce.md says from where). */
  private static final int NODES = 100;

  private static final int NODE_CORES = 32;

  /** Encoding and decoding beside a whole training step. */
  private static final double FORWARD = 1.0 / 3;

  /** Seconds a unit, image and word of the last layer's closed form on a core. */
  private static final double CLOSED = 20.0 * 2 / (49152.0 * 192 * 5000);

  /** Trial edits of a suppression at a layer: sizes, strengths, baselines. */
  private static final int TRIALS = 60;

  /**
   * A stage's cost.
   *
   * @param hours on this machine
   * @param clusterHours on a cluster of 100 nodes
   * @param disk bytes that it writes
   * @param memory bytes beside the model
   */
  public record StageCost(double hours, double clusterHours, double disk, double memory) {
    static final StageCost NOTHING = new StageCost(0, 0, 0, 0);
  }

  /**
   * The cost of a stage.
   *
   * @param words of its command line
   * @param images of its source, or as many as the command reads at most
   * @param saes number of SAEs that it trains or reads
   */
  public StageCost of(List<String> words, long images, int saes) {
    double tokens = config.tokens();
    double image = rates.decodeSeconds() / rates.cores() + flops / rates.towerFlops();
    long limited = Math.min(images, number(words, "--limit", Long.MAX_VALUE));
    double saeBytes = 2.0 * features(words) * config.width() * Float.BYTES;
    return switch (words.getFirst()) {
      case "train" -> train(words, image, saes, saeBytes);
      case "harvest" -> {
        boolean cls = words.contains("cls");
        double each = (cls ? 1 : tokens) * config.width() * 2 * layers(words);
        yield cost(limited * image, NODES, limited * each, 1e9);
      }
      case "evaluate" -> {
        double spliced = 2 * image + 2.5 * saes * flops / rates.towerFlops() / 2;
        double codes = saes * tokens * FORWARD / rates.reluTokens();
        yield cost(limited * (spliced + codes), NODES, 1e6 * saes, saes * saeBytes);
      }
      case "sae" -> {
        double each = image + tokens * FORWARD / rates.reluTokens();
        yield cost(saes * limited * each, 1, saes * saeBytes, saeBytes);
      }
      case "index" -> {
        double codes = saes * tokens * FORWARD / rates.reluTokens();
        double disk = saes * (double) features(words) * 3e3;
        yield cost(limited * (image + codes), NODES, disk, saes * saeBytes + disk);
      }
      case "steerability" -> steerability(words, limited, saes, saeBytes);
      case "suppress" -> {
        double trials = (double) TRIALS * saes * limited;
        double rest = flops / 2 / rates.towerFlops();
        yield cost(trials * rest, NODES, 1e7, saes * saeBytes);
      }
      case "study" -> {
        double edits = (words.contains("--class") ? 1 : classes) * 66.0;
        double last = flops / config.layers() / rates.towerFlops();
        yield cost(limited * (image + edits * last), NODES, 1e7, saeBytes);
      }
      case "compare" -> cost(2 * limited * image, NODES, 1e8, 2 * saeBytes);
      case "attack" -> cost(limited * 0.05 / rates.cores(), NODES, limited * 1e5, 1e8);
      case "probe", "classify" -> cost(limited * image, NODES, 1e7, limited * 4.0 * config.width());
      default -> StageCost.NOTHING;
    };
  }

  private StageCost train(List<String> words, double image, int saes, double saeBytes) {
    double tokens = number(words, "--train-tokens", 1_000_000);
    boolean cls = words.contains("cls");
    double eachImage = cls ? 1 : config.tokens();
    boolean topk = words.stream().anyMatch(word -> word.startsWith("topk"));
    double rate = topk ? rates.topkTokens() : rates.reluTokens();
    double reading = words.contains("--store") ? 0 : tokens / eachImage * image;
    double seconds = reading + saes * tokens / rate;
    // Weights, two moments, gradients; a state for --resume holds three of them.
    return cost(seconds, Math.min(saes, NODES), saes * saeBytes * 4, saes * saeBytes * 4 + 1e9);
  }

  private StageCost steerability(List<String> words, long images, int saes, double saeBytes) {
    double sample = number(words, "--sample", 0);
    double units = sample > 0 ? sample : features(words);
    boolean all = saes > 1;
    double seconds = units * images * 5000 * CLOSED / rates.cores();
    int layers = config.layers();
    for (int l = 0; all && l < layers - 1; l++) {
      seconds += units * images * flops * (layers - 1.0 - l) / layers / rates.towerFlops();
    }
    return cost(seconds, NODES, units * saes * 200, saeBytes + 1e9);
  }

  private StageCost cost(double seconds, int nodes, double disk, double memory) {
    double faster = Math.max(1, nodes * (double) NODE_CORES / rates.cores());
    return new StageCost(seconds / 3600, seconds / 3600 / faster, disk, memory);
  }

  private long features(List<String> words) {
    return config.width() * number(words, "--expansion", 64);
  }

  private static int layers(List<String> words) {
    int at = words.indexOf("--layers");
    return at < 0 ? 1 : words.get(at + 1).split(",").length;
  }

  private static long number(List<String> words, String option, long otherwise) {
    int at = words.indexOf(option);
    return at < 0 ? otherwise : Long.parseLong(words.get(at + 1));
  }
}
