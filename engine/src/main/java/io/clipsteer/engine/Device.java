// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import io.clipsteer.data.InputException;
import org.apiguardian.api.API;
import org.bytedeco.pytorch.global.torch;

/**
 * Where tensors live.
 *
 * @param cuda whether it is a CUDA GPU; otherwise the CPU, or none
 * @param index which GPU, from 0; 0 on the CPU
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Device(boolean cuda, int index) {
  /** The processor. */
  public static final Device CPU = new Device(false, 0);

  /** No memory: tensors have shapes and no values (libtorch's meta device). */
  public static final Device NONE = new Device(false, -1);

  /** Reads {@code cpu}, {@code cuda} or {@code cuda:n}, and checks that such a device is there. */
  public static Device parse(String text) {
    if (text.equals("cpu")) return CPU;
    if (!text.matches("cuda(:\\d{1,3})?")) {
      throw new InputException("--device " + text, "no such device", "Use cpu, cuda or cuda:0");
    }
    int index = text.equals("cuda") ? 0 : Integer.parseInt(text.substring(5));
    if (!torch.cuda_is_available()) {
      throw new InputException(
          "--device " + text,
          "this build of libtorch sees no CUDA GPU",
          "Build with mvn -Pgpu on a machine with CUDA 13, or use --device cpu");
    }
    return new Device(true, index);
  }

  org.bytedeco.pytorch.Device raw() {
    if (cuda) return new org.bytedeco.pytorch.Device(torch.DeviceType.CUDA, (byte) index);
    return new org.bytedeco.pytorch.Device(
        equals(NONE) ? torch.DeviceType.Meta : torch.DeviceType.CPU);
  }

  @Override
  public String toString() {
    return cuda ? "cuda:" + index : equals(NONE) ? "none" : "cpu";
  }
}
