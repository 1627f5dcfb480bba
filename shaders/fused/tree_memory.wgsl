        var whole = sum;
        for (var step = 1u; step < LANES; step *= 2u) {
            lane_sums[lane] = whole;
            workgroupBarrier();
            whole += lane_sums[lane ^ step];
            workgroupBarrier();
        }
        let channel = lane % 4u;
        let total = whole[channel];
