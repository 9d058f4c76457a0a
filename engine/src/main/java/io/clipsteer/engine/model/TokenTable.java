// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The vectors of a text tower's tokens. They stay in the model's file, and texts read the rows that
 * they need: multilingual vocabularies have a thousand million values, of which a study reads few.
 *
 * @param stored [vocabulary,d] of finite numbers, readable until the model is closed
 * @param dtype element type of the rows
 * @param device where the rows are used
 */
public record TokenTable(StoredTensor stored, DType dtype, Device device) {
  /**
   * The vectors of tokens, in the current scope.
   *
   * @param ids below the vocabulary's size
   * @return [ids,d]
   */
  Tensor rows(long[] ids) {
    long d = stored.shape()[1];
    Tensor rows = Tensor.empty(stored.dtype(), ids.length, d);
    MemorySegment target = rows.segment();
    long size = stored.bytes().byteSize() / stored.shape()[0];
    for (int i = 0; i < ids.length; i++) {
      MemorySegment.copy(stored.bytes(), ids[i] * size, target, i * size, size);
    }
    return rows.to(DType.F32).to(dtype).to(device);
  }
}
