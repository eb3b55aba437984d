//! The scale of a figure: from where to where, and which numbers are written below it.

/// A linear or logarithmic scale.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    least: f64,
    most: f64,
    logarithmic: bool,
}

impl Scale {
    /// One that shows all of `values`: from zero, or, a logarithmic one, from a little below the least.
    pub fn over(values: impl Iterator<Item = f64>, logarithmic: bool) -> Scale {
        let range = values.fold(None, |range, value| {
            let (least, most) = range.unwrap_or((value, value));
            Some((least.min(value), most.max(value)))
        });
        let (least, most) = range.unwrap_or((1.0, 1.0));
        if logarithmic {
            Scale { least: least.max(1e-3) / 1.3, most: most.max(1e-3) * 1.3, logarithmic }
        } else {
            Scale { least: 0.0, most: if most > 0.0 { most * 1.08 } else { 1.0 }, logarithmic }
        }
    }

    /// How far along `value` lies: 0 at the beginning, 1 at the end.
    pub fn share(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value.max(self.least) / self.least).ln() / (self.most / self.least).ln()
        } else {
            value / self.most
        }
    }

    /// The numbers below the scale.
    pub fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powf((self.most / 10.0).log10().ceil() - 1.0));
            let step = step.into_iter().find(|step| self.most / step <= 10.0).unwrap_or(self.most / 5.0).max(1.0);
            return (0..).map(|tick| f64::from(tick) * step).take_while(|tick| *tick <= self.most).collect();
        }
        let decades = (self.most / self.least).log10();
        let digits: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = (-3..=9).map(|power| 10_f64.powi(power));
        let all = powers.flat_map(|power| digits.iter().map(move |digit| digit * power));
        all.filter(|tick| (self.least..=self.most).contains(tick)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn ticks_are_round_numbers_within_the_values() {
        let ticks = |values: [f64; 2], logarithmic| Scale::over(values.into_iter(), logarithmic).ticks();
        assert_eq!(ticks([20.0, 250.0], true), [20.0, 50.0, 100.0, 200.0]);
        assert_eq!(ticks([0.5, 1100.0], true), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks([40.0, 169.0], false), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0, 180.0]);
        assert_eq!(ticks([0.0, 3.0], false), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks([0.0, 0.0], false), [0.0, 1.0]);
    }

    #[test]
    fn the_values_lie_inside() {
        for logarithmic in [false, true] {
            let scale = Scale::over([3.0, 70.0].into_iter(), logarithmic);
            let (first, last) = (scale.share(3.0), scale.share(70.0));
            assert!(0.0 < first && first < last && last < 1.0, "{first} {last}");
        }
    }
}
