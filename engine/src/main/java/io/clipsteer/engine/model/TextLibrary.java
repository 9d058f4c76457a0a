// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Words with their unit text embeddings: what an image is compared with.
 *
 * @param words one a row
 * @param embeddings unit rows [words,e], row-major
 * @param width e
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record TextLibrary(List<String> words, float[] embeddings, int width) {
  private static final String EMBEDDINGS = "text_embeddings.safetensors";
  private static final String WORDS = "words.txt";
  private static final String TENSOR = "embeddings";

  public TextLibrary {
    words = List.copyOf(words);
    if ((long) words.size() * width != embeddings.length) {
      throw new IllegalArgumentException(
          words.size() + " words of width " + width + " in " + embeddings.length + " numbers");
    }
  }

  /** Row of a word; where no word is the same, of one that differs in case alone; −1 for none. */
  public int row(String word) {
    int row = words.indexOf(word);
    for (int i = 0; row < 0 && i < words.size(); i++) {
      if (words.get(i).equalsIgnoreCase(word)) row = i;
    }
    return row;
  }

  /**
   * Reads {@code text_embeddings.safetensors} (tensor {@code embeddings} [words,e]) and {@code
   * words.txt} (a word a line) from a folder. Rows that are not of unit length are brought to it.
   */
  public static TextLibrary read(Path folder) {
    Path file = folder.resolve(EMBEDDINGS);
    Path list = folder.resolve(WORDS);
    if (!Files.isRegularFile(file) || !Files.isRegularFile(list)) {
      throw new InputException(
          folder,
          "no text library: it needs " + EMBEDDINGS + " and " + WORDS,
          "Name a folder that holds both");
    }
    List<String> words = TextFile.lines(list);
    try (TensorFile tensors = SafeTensors.open(file)) {
      StoredTensor rows = tensors.get(TENSOR);
      if (rows.shape().length != 2 || rows.shape()[0] != words.size() || rows.shape()[1] < 1) {
        throw new InputException(
            file, rows + " for " + words.size() + " words", "Give one row a line of " + list);
      }
      int width = Math.toIntExact(rows.shape()[1]);
      return new TextLibrary(words, unit(rows.toFloats(), width, file), width);
    }
  }

  private static float[] unit(float[] rows, int width, Path where) {
    for (int at = 0; at < rows.length; at += width) {
      double square = 0;
      for (int j = 0; j < width; j++) square += (double) rows[at + j] * rows[at + j];
      double norm = Math.sqrt(square);
      if (!(norm > 0) || Double.isInfinite(norm)) {
        throw new InputException(
            where, "row " + at / width + " has length " + norm, "Compute the embeddings again");
      }
      // A row of unit length to float precision is unchanged, bit for bit.
      if (Math.abs(norm - 1) < 1e-5) continue;
      for (int j = 0; j < width; j++) rows[at + j] = (float) (rows[at + j] / norm);
    }
    return rows;
  }

  /** Writes the two files into a folder, which is made if absent. */
  public void write(Path folder) {
    for (String word : words) {
      if (word.indexOf('\n') >= 0 || word.indexOf('\r') >= 0) {
        throw new InputException(folder, "a word holds a line break", "Write it on one line");
      }
    }
    SafeTensors.write(
        folder.resolve(EMBEDDINGS),
        List.of(StoredTensor.ofFloats(TENSOR, embeddings, words.size(), width)),
        Map.of());
    AtomicFiles.writeText(folder.resolve(WORDS), String.join("\n", words) + "\n");
  }
}
