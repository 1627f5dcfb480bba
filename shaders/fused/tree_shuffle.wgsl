        // Halves change hands first, so that each lane goes on with one of the four numbers.
        let odd = (lane & 1u) != 0u;
        let two = select(sum.xy, sum.zw, odd) + subgroupShuffleXor(select(sum.zw, sum.xy, odd), 1u);
        let second = (lane & 2u) != 0u;
        var total = select(two.x, two.y, second) + subgroupShuffleXor(select(two.y, two.x, second), 2u);
//* for s in LEVELS
        total += subgroupShuffleXor(total, 4u << $su);
//* end
        let channel = 2u * (lane & 1u) + ((lane >> 1u) & 1u);
