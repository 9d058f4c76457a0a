// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import io.clipsteer.data.AtomicFiles;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * A small CLIP with random weights, written as an ordinary Hugging Face folder. It knows nothing:
 * its answers show that the machinery runs, not what a model sees.
 */
final class RandomClip {
  static final int IMAGE = 64;
  static final int LAYERS = 4;

  private static final int PATCH = 8;
  private static final int WIDTH = 64;
  private static final int TEXT_WIDTH = 48;
  private static final int TEXT_LAYERS = 2;
  private static final int HEADS = 4;
  private static final int EMBED = 32;
  private static final int CONTEXT = 40;
  private static final int BYTES = 256;
  private static final int VOCABULARY = 2 * BYTES + 2;

  private final SplittableRandom random;
  private final List<StoredTensor> tensors = new ArrayList<>();

  private RandomClip(long seed) {
    random = new SplittableRandom(seed);
  }

  /** Writes the checkpoint; the same seed gives the same bytes. */
  static void write(Path folder, long seed) {
    RandomClip clip = new RandomClip(seed);
    clip.vision();
    clip.text();
    clip.tensors.add(StoredTensor.ofFloats("logit_scale", new float[] {(float) Math.log(100)}));
    SafeTensors.write(folder.resolve("model.safetensors"), clip.tensors, Map.of("format", "pt"));
    AtomicFiles.writeJson(folder.resolve("config.json"), config());
    AtomicFiles.writeJson(folder.resolve("preprocessor_config.json"), preprocessor());
    AtomicFiles.writeJson(folder.resolve("vocab.json"), vocabulary());
    AtomicFiles.writeText(folder.resolve("merges.txt"), "#version: 0.2\n");
  }

  private void vision() {
    String p = "vision_model.";
    long patches = (long) (IMAGE / PATCH) * (IMAGE / PATCH);
    gaussian(p + "embeddings.class_embedding", 0.5, WIDTH);
    gaussian(p + "embeddings.patch_embedding.weight", 0.1, WIDTH, 3, PATCH, PATCH);
    gaussian(p + "embeddings.position_embedding.weight", 0.3, patches + 1, WIDTH);
    norm(p + "pre_layrnorm", WIDTH);
    for (int l = 0; l < LAYERS; l++) block(p + "encoder.layers." + l + ".", WIDTH);
    norm(p + "post_layernorm", WIDTH);
    gaussian("visual_projection.weight", 0.2, EMBED, WIDTH);
  }

  private void text() {
    String p = "text_model.";
    gaussian(p + "embeddings.token_embedding.weight", 0.5, VOCABULARY, TEXT_WIDTH);
    gaussian(p + "embeddings.position_embedding.weight", 0.2, CONTEXT, TEXT_WIDTH);
    for (int l = 0; l < TEXT_LAYERS; l++) block(p + "encoder.layers." + l + ".", TEXT_WIDTH);
    norm(p + "final_layer_norm", TEXT_WIDTH);
    gaussian("text_projection.weight", 0.2, EMBED, TEXT_WIDTH);
  }

  private void block(String p, int d) {
    double std = 1 / Math.sqrt(d);
    norm(p + "layer_norm1", d);
    norm(p + "layer_norm2", d);
    for (String name : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
      gaussian(p + "self_attn." + name + ".weight", std, d, d);
      gaussian(p + "self_attn." + name + ".bias", 0.02, d);
    }
    gaussian(p + "mlp.fc1.weight", std, 4L * d, d);
    gaussian(p + "mlp.fc1.bias", 0.02, 4L * d);
    gaussian(p + "mlp.fc2.weight", std, d, 4L * d);
    gaussian(p + "mlp.fc2.bias", 0.02, d);
  }

  private void norm(String name, int d) {
    float[] ones = new float[d];
    java.util.Arrays.fill(ones, 1);
    tensors.add(StoredTensor.ofFloats(name + ".weight", ones, d));
    tensors.add(StoredTensor.ofFloats(name + ".bias", new float[d], d));
  }

  private void gaussian(String name, double std, long... shape) {
    long n = 1;
    for (long extent : shape) n *= extent;
    float[] values = new float[Math.toIntExact(n)];
    for (int i = 0; i < values.length; i++) values[i] = (float) (std * random.nextGaussian());
    tensors.add(StoredTensor.ofFloats(name, values, shape));
  }

  private static Map<String, Object> config() {
    Map<String, Object> vision = new LinkedHashMap<>();
    vision.put("hidden_size", WIDTH);
    vision.put("intermediate_size", 4 * WIDTH);
    vision.put("num_hidden_layers", LAYERS);
    vision.put("num_attention_heads", HEADS);
    vision.put("image_size", IMAGE);
    vision.put("patch_size", PATCH);
    Map<String, Object> text = new LinkedHashMap<>();
    text.put("hidden_size", TEXT_WIDTH);
    text.put("intermediate_size", 4 * TEXT_WIDTH);
    text.put("num_hidden_layers", TEXT_LAYERS);
    text.put("num_attention_heads", HEADS);
    text.put("max_position_embeddings", CONTEXT);
    text.put("vocab_size", VOCABULARY);
    text.put("eos_token_id", VOCABULARY - 1);
    text.put("bos_token_id", VOCABULARY - 2);
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("model_type", "clip");
    config.put("projection_dim", EMBED);
    config.put("vision_config", vision);
    config.put("text_config", text);
    return config;
  }

  private static Map<String, Object> preprocessor() {
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("image_processor_type", "CLIPImageProcessor");
    settings.put("size", Map.of("shortest_edge", IMAGE));
    settings.put("crop_size", new java.util.TreeMap<>(Map.of("height", IMAGE, "width", IMAGE)));
    return settings;
  }

  /** The 256 bytes, alone and at a word's end, and no merges: every text has a code. */
  private static Map<String, Integer> vocabulary() {
    Map<String, Integer> ids = new LinkedHashMap<>();
    List<String> letters = new ArrayList<>();
    for (int b = '!'; b <= '~'; b++) letters.add(Character.toString(b));
    for (int b = 0xa1; b <= 0xac; b++) letters.add(Character.toString(b));
    for (int b = 0xae; b <= 0xff; b++) letters.add(Character.toString(b));
    for (int b = 0; letters.size() < BYTES; b++) letters.add(Character.toString(BYTES + b));
    for (String letter : letters) ids.put(letter, ids.size());
    for (String letter : letters) ids.put(letter + "</w>", ids.size());
    ids.put("<|startoftext|>", ids.size());
    ids.put("<|endoftext|>", ids.size());
    return ids;
  }
}
